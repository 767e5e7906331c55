"""This module builds a workspace in which everything that somebody can name has a hostile name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from flows import causes, deadletters, publishing, reviews
from flows.mapping.mending import Fix
from flows.models import Deployment, Directory, Flow, Pair, SavedFix, SavedView
from integrator.accounts import audit
from integrator.accounts.models import Environment, Workspace
from monitoring import alerts
from monitoring.conditions import Condition, Place, Severity
from monitoring.models import AlertChannel, AlertDispatch, AlertRule, Anomaly, KnownEvent, Series, SeriesBin
from tests.browser import linked, merged
from tests.browser.rows import a_question, a_run, an_effect, an_unreadable_event, refused, which_account
from tests.builders import a_connection, a_pair, a_person, a_workspace
from tests.integration.flows.asking import a_duplicate

# Markup, the end of a string and of a script, a template, text that turns round, what is not seen, and a word
# without an end. What tests look for stands in front, so that a short column has it too.
SIGN = "<img src=x onerror=alert(1)>"
WHOLE = f"""{SIGN}"'</script><script>alert(2)</script>{{{{7*7}}}}\u202egnp\u200b\N{FOX FACE}{"W" * 400}"""
FORMULA = f"=1+1;+2{SIGN}\n@x\r\uff1d1"
PERSON = "mallory@odd.test"


def name(longest: int = 100) -> str:
    """Return as much of the hostile text as a column takes."""
    return WHOLE[:longest]


def build_oddly() -> dict[str, str]:
    """Build the workspace, and return the ids of what the tests open."""
    workspace = a_workspace("odd", name())
    person = a_person(PERSON, "admin", workspace)
    person.first_name = name(150)
    person.save()
    here = workspace.environments.get(slug="dev")
    pair = a_pair(
        here,
        stripe=a_connection("stripe", here, name()),
        salesforce=a_connection("salesforce", here, f"Org {name(90)}", api_used=900, api_limit=1_000),
    )
    _live(pair)
    return {**_history(pair), **_asked(pair), **_told(workspace, here, pair)}


def _live(pair: Pair) -> Deployment:
    now = timezone.now()
    version = publishing.install_recipe(
        slug="payments", integration=pair.integration, actor=name(200), now=now
    )
    Flow.objects.filter(pk=version.flow_id).update(name=name())
    version.refresh_from_db()
    return publishing.deploy(version=version, pair=pair, actor=name(200), now=now)


def _history(pair: Pair) -> dict[str, str]:
    """Let runs end in every way, and dead letters be arranged, discarded and mended by rule."""
    now, here = timezone.now(), pair.environment
    applied = a_run(pair, customer=name(400), reason=name(500), kind=name(255))
    dead = a_run(pair, **refused("Name", name(2_000)[:490], 4), customer=name(400))
    formula = a_run(pair, **refused("Formula__c", FORMULA, 3), customer=FORMULA)
    letter, by = dead.dead_letters.get(), {"actor": PERSON, "now": now}
    causes.assign(environment=here, fingerprint=letter.fingerprint, person=PERSON, **by)
    causes.tag(environment=here, fingerprint=letter.fingerprint, names=[SIGN], **by)
    gone = a_run(pair, **refused("Gone__c", "Gone", 5)).dead_letters.get()
    deadletters.discard(letter=gone, reason=name(300), **by)
    fix = SavedFix(
        pair=pair,
        flow=dead.flow,
        code=name(),
        field=name(),
        action="cut",
        created_by=name(200),
        created_at=now,
    )
    fix.keep(Fix(way="cut", step="map_payment", field=name(), length=8, by=PERSON))
    fix.save()
    unreadable = an_unreadable_event(pair)
    an_effect(pair, "skipped", name(200), name(300))
    Directory.objects.create(
        connection=pair.salesforce, object="Account", salt=b"", began_at=now, due_at=now, failure=name(490)
    )
    return {
        "applied": applied.public_id, "dead": dead.public_id,
        "discarded": gone.run.public_id if gone.run else "",
        "letter": letter.public_id, "fingerprint": letter.fingerprint, "flow": dead.flow.public_id,
        "unreadable": str(unreadable.pk), "event": str(applied.event_id), "formula": formula.public_id,
        "stripe": pair.stripe.public_id, "salesforce": pair.salesforce.public_id,
    }  # fmt: skip


def _asked(pair: Pair) -> dict[str, str]:
    """Let people be asked in every way, let links disagree and records be merged."""
    which = a_question(pair, which_account(name(200)))
    duplicate = a_question(pair, a_duplicate(name(200)))
    conflict = a_question(pair, linked.a_conflict(name(200)))
    links = linked.keep(pair, conflict.run, name(200))
    closed = a_question(pair, which_account(name(200)))
    reviews.discard(review=closed, reason=name(300), actor=PERSON, now=timezone.now())
    ids = merged.build(pair, name(200))
    return {"which": which.public_id, "duplicate": duplicate.public_id, "conflict": conflict.public_id,
            "closed": closed.public_id, **links, **ids}  # fmt: skip


def _told(workspace: Workspace, here: Environment, pair: Pair) -> dict[str, str]:
    """Let alerts, anomalies, channels, messages, rules, views and the audit trail be there."""
    now = timezone.now()
    place = Place(workspace.pk, here.pk, "/w/odd/dev/")
    alert = Condition.at(
        place,
        kind="flow_alert",
        about="1",
        severity=Severity.CRITICAL,
        page="runs/",
        title=name(200),
        text=WHOLE,
    )
    alerts.follow([alert], now=now - timedelta(minutes=9))
    alerts.follow([alert], now=now - timedelta(minutes=4))
    anomaly = _unusual(here, pair)
    usual: dict[str, Any] = {"workspace": workspace, "created_by": name(200), "created_at": now}
    channel = AlertChannel.objects.create(
        kind="email", name=name(), settings={"addresses": ["cfo@odd.test"]}, failures=4, failed_since=now,
        failure=name(290), **usual,
    )  # fmt: skip
    rule = AlertRule.objects.create(name=name(), **usual)
    rule.steps.create(channel=channel)
    AlertDispatch.objects.create(
        channel=channel,
        rule=rule,
        subject=name(240),
        created_at=now,
        due_at=now,
        answer=name(290),
        given_up_at=now,
    )
    SavedView.objects.create(
        workspace=workspace, made_by=name(200), list="runs", name=name(60), query={"type": name(200)},
        shared=True, changed_at=now,
    )  # fmt: skip
    with transaction.atomic():
        audit.record(
            workspace=workspace, actor=name(200), action="connection.created", target=WHOLE,
            details={name(60): WHOLE}, now=now,
        )  # fmt: skip
    return {"channel": channel.public_id, "rule": rule.public_id, "anomaly": anomaly}


def _unusual(here: Environment, pair: Pair) -> str:
    now = timezone.now()
    series = Series.objects.create(connection=pair.stripe, seen_until=now)
    SeriesBin.objects.create(
        series=series, starts_at=now - timedelta(hours=1), charges=1, failed=0, expected=20, lo=9, hi=31
    )
    anomaly = Anomaly.objects.create(
        series=series, metric="charges", kind="outage", z=-6, observed=0, expected=20, lo=8, hi=32,
        began_at=now, reason=name(200), causes=[{"sentence": f"100 % have {name(120)}, before 3 %."}],
    )  # fmt: skip
    KnownEvent.objects.create(
        environment=here, connection=pair.stripe, name=name(), begins=now, ends=now + timedelta(hours=2),
        made_by=name(200), made_at=now,
    )  # fmt: skip
    return anomaly.public_id
