"""
This module sets the scene that the browser tests look at, and changes it while they look.

It runs as a process of its own beside the server, on the server's database. It reads one JSON object a line
(`{"call": name, "with": {...}}`), and answers each with one line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

django.setup()

# Django has to be set up before anything that imports models.
from django.utils import timezone  # noqa: E402  # as above

from connectors.models import Connection, Credential, WebhookEndpoint, WebhookSecret  # noqa: E402  # as above
from flows import publishing, reviews  # noqa: E402  # as above
from flows.models import (  # noqa: E402  # as above
    Change,
    Deployment,
    Event,
    Lane,
    Pair,
    Review,
    Run,
    Worker,
)
from integrator import vault  # noqa: E402  # as above
from integrator.accounts.models import Environment  # noqa: E402  # as above
from monitoring import alerts, hours, payment_following  # noqa: E402  # as above
from monitoring.conditions import Condition, Place, Severity  # noqa: E402  # as above
from monitoring.models import Alert  # noqa: E402  # as above
from tests.browser import compared, deals, impacts, known, linked, mapping, merged, odd, passed, quotes, town  # noqa: E402  # as above
from tests.browser.desk import AT_DESK  # noqa: E402  # as above
from tests.browser.hostile import build_oddly  # noqa: E402  # as above
from tests.browser.measured import build as measured  # noqa: E402  # as above
from tests.browser.rows import (  # noqa: E402  # as above
    HOSTILE,
    a_hostile_act,
    a_question,
    a_run,
    an_effect,
    an_event,
    an_unreadable_event,
    calls,
    in_doubt,
    lacking,
    refused,
    which_account,
)
from tests.builders import a_connection, a_pair, a_person, a_workspace  # noqa: E402  # as above
from tests.integration.flows.asking import (  # noqa: E402  # as above
    a_contradiction,
    a_duplicate,
    a_refused_record,
)

PASSWORD = "correct horse battery"


def build() -> dict[str, str]:
    """Build everything, and return the addresses of what the tests want to see."""
    workspace = a_workspace()
    a_person("ada@acme.test", "designer", workspace, PASSWORD)
    a_person("otto@acme.test", "operator", workspace, PASSWORD)
    a_person("root@acme.test", "admin", workspace, PASSWORD)
    a_person("eve@else.test", "admin", a_workspace("else", "Elsewhere"), PASSWORD)
    environment = workspace.environments.get(slug="dev")
    pair = _connected(environment)
    _deployed(pair)
    _held(_connected(workspace.environments.get(slug="production")))
    addresses = _history(pair) | _waiting(pair)
    quotes.build(workspace)
    impacts.build(pair)
    a_hostile_act(workspace)
    calls(pair)
    payment_following.Follower().follow_due(now=timezone.now())
    return addresses


def _connected(environment: Environment) -> Pair:
    now = timezone.now()
    production = environment.kind == Environment.Kind.PRODUCTION
    stripe = a_connection(
        "stripe", environment, "Stripe Europe", last_success_at=now, pinned_livemode=production
    )
    salesforce = a_connection(
        "salesforce",
        environment,
        "Salesforce EMEA",
        settings={"username": "integration@acme.test"},
        last_success_at=now,
        last_failure_at=now - timedelta(hours=3),
        last_failure="The server answered 503 (UNABLE_TO_LOCK_ROW).",
        api_used=41_230,
        api_limit=100_000,
    )
    for connection, field in ((stripe, "secret_key"), (salesforce, "consumer_key")):
        Credential.objects.create(
            connection=connection,
            field=field,
            ciphertext=vault.seal(b"sk_test_secret", owner=f"credential:{connection.pk}:{field}"),
            last4="cret",
            fingerprint="9f86d081884c7d65",
            changed_at=now,
        )
    endpoint = WebhookEndpoint.objects.create(connection=stripe, stripe_id="we_1QXk9aB2eZvKYlo2C")
    WebhookSecret.objects.create(
        endpoint=endpoint,
        ciphertext=vault.seal(b"whsec_test", owner=f"webhook:{endpoint.pk}"),
        last4="test",
        created_at=now,
    )
    compared.keep(salesforce, HOSTILE)
    return a_pair(environment, stripe=stripe, salesforce=salesforce)


def _deployed(pair: Pair) -> Deployment:
    now = timezone.now()
    version = publishing.install_recipe(
        slug="payments", integration=pair.integration, actor="root@acme.test", now=now
    )
    return publishing.deploy(version=version, pair=pair, actor="root@acme.test", now=now)


def _history(pair: Pair) -> dict[str, str]:
    now = timezone.now()
    currencies = ["usd", "eur", "gbp", "jpy", "kwd"]
    for minutes in range(58, 0, -1):
        for _ in range(1 + minutes % 3):
            run = a_run(
                pair,
                at=now - timedelta(minutes=minutes, seconds=7),
                amount=1999 + 731 * minutes,
                currency=currencies[minutes % 5],
            )
    superseded = a_run(pair, fate="superseded", reason="A newer state was applied already.")
    a_run(pair, fate="ignored", reason="The filter “Only paid charges” said no.", kind="charge.pending")
    for _ in range(4):
        dead = a_run(pair, **refused("Country__c", "Billing country is required", 12))
    hostile = a_run(
        pair,
        **refused("Name", f"Customer {HOSTILE} was refused by the rule “Names are plain”", 4),
        customer=HOSTILE,
    )
    a_run(pair, fate="waiting", state="waiting", reason="Two records have this external id.")
    retrying = a_run(
        pair,
        fate="queued",
        state="retrying",
        reason="UNABLE_TO_LOCK_ROW: unable to obtain exclusive access to this record",
        error={"class": "lock", "code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"},
    )
    unreadable = an_unreadable_event(pair)
    _wrong(pair)
    return {
        "applied": run.public_id,
        "superseded": superseded.public_id,
        "dead": dead.public_id,
        "hostile": hostile.public_id,
        "retrying": retrying.public_id,
        "event": str(hostile.event_id),
        "unreadable": str(unreadable.pk),
        "flow": run.flow.public_id,
        "stripe": pair.stripe.public_id,
        "salesforce": pair.salesforce.public_id,
        "fingerprint": dead.dead_letters.get().fingerprint,
        "object": dead.event.object_id,
    }


def _waiting(pair: Pair) -> dict[str, str]:
    """Let people be asked, and let effects be left out and in doubt."""
    now = timezone.now()
    several = a_question(pair, which_account("Jenny Rosen"))
    hostile = a_question(pair, which_account(HOSTILE))
    duplicate = a_question(pair, a_duplicate(HOSTILE))
    refused, contradicted = a_question(pair, a_refused_record()), a_question(pair, a_contradiction())
    doubt = a_question(pair, in_doubt("pi_3QXk00042eZvKYlo2C1aBcDeF"))
    conflict = a_question(pair, linked.a_conflict(HOSTILE))
    links = linked.keep(pair, conflict.run, HOSTILE)
    closed = a_question(pair, in_doubt("pi_3QXk00043eZvKYlo2C1aBcDeF"))
    reviews.answer(review=closed, value="happened", actor="otto@acme.test", now=now)
    merges = merged.build(pair, HOSTILE)
    start_workers()  # who would otherwise be missed on every page
    history = "It is history: the event was received long after it had happened, or came from an import"
    an_effect(pair, "done")
    an_effect(pair, "in_doubt", reason="The server closed the connection.")
    for purpose in ("Start Stripe_Dunning", "Create a task for the owner of the account", HOSTILE):
        skipped = an_effect(pair, "skipped", purpose, history)
    return {
        **links,
        **merges,
        "conflict": conflict.public_id,
        "several": several.public_id,
        "hostile_question": hostile.public_id,
        "duplicate": duplicate.public_id,
        "refused": refused.public_id,
        "contradicted": contradicted.public_id,
        "doubt": doubt.public_id,
        "closed": closed.public_id,
        "waiting": several.run.public_id,
        "skipped": skipped.public_id,
    }


def _held(pair: Pair) -> None:
    """Let a flow wait for the org to be mended."""
    now = timezone.now()
    deployment = _deployed(pair)
    reason = "No such column 'Card_Brand__c' on sobject of type Payment__c"
    error = {"class": "schema", "code": "INVALID_FIELD", "field": "Card_Brand__c", "message": reason}
    for _ in range(3):
        a_run(pair, fate="queued", state="retrying", reason=reason, error=error)
    deployment.hold(until=now + timedelta(minutes=11), reason=reason, now=now - timedelta(minutes=34))


def _wrong(pair: Pair) -> None:
    """Let there be alerts of every severity, a hostile one among them, and hours that were counted."""
    now, here = timezone.now(), pair.environment
    place = Place(here.workspace_id, here.pk, "/w/acme/dev/")
    whole = Place(here.workspace_id, None, "/w/acme/dev/")
    conditions = [
        Condition.at(
            place, kind="connection_key", about="1", severity=Severity.CRITICAL, page="connections/",
            title="Stripe Europe needs a new key",
            text="It needs a new key, or access granted anew. Invalid API Key provided. Its runs wait, and "
            "nothing is lost. Enter a new key, or grant the access there.",
        ),
        Condition.at(
            place, kind="flow_alert", about="1", severity=Severity.WARNING, page="runs/", title=HOSTILE,
            text=f"A flow says: {HOSTILE}",
        ),
        Condition.at(
            whole, kind="feed", about="1", severity=Severity.INFO, page="", title="Live pages stand still",
            text="An old transaction of the database has held them up since 12:00 UTC.",
        ),
    ]  # fmt: skip
    alerts.follow(conditions, now=now - timedelta(minutes=70))
    alerts.follow(conditions[:2], now=now - timedelta(minutes=64))
    alerts.follow(conditions[:2], now=now - timedelta(minutes=61))
    alerts.follow(conditions, now=now - timedelta(minutes=9))
    alerts.follow(conditions, now=now - timedelta(minutes=4))
    first = Event.objects.order_by("id").first()
    Event.objects.filter(pk=first.pk if first else None).update(origin="walk")
    hours.Counter().count_due(now=now)


# What happens while somebody looks


def something_is_wrong(title: str) -> None:
    """Open one more alert."""
    here = Environment.objects.get(slug="dev", workspace__slug="acme")
    place = Place(here.workspace_id, here.pk, "/w/acme/dev/")
    open_now = [
        Condition(
            a.workspace_id, a.environment_id, a.key, a.kind, Severity(a.severity), a.title, a.text, a.link
        )
        for a in Alert.objects.open()
    ]
    more = Condition.at(
        place, kind="dead_letters", about=title, severity=Severity.WARNING, title=title, text="Look at it."
    )
    alerts.follow([*open_now, more], now=timezone.now())


def arrive(runs: int = 1, fate: str = "applied", customer: str = "Jenny Rosen") -> list[str]:
    """Let new runs come in, and say so in the Change table."""
    pair = Pair.objects.get(environment__slug="dev", environment__workspace__slug="acme")
    made = [a_run(pair, fate=fate, at=timezone.now(), customer=customer).public_id for _ in range(runs)]
    _tell(pair.environment, "closed", fate, made)
    return made


def die(field: str, runs: int = 1, message: str = "The value is too long", **how: str) -> dict[str, Any]:
    """Let new runs give up for a cause of their own."""
    pair = Pair.objects.get(environment__slug="dev", environment__workspace__slug="acme")
    made = [a_run(pair, **refused(field, message, 0, **how)) for _ in range(runs)]
    names = [run.public_id for run in made]
    _tell(pair.environment, "closed", "dead", names)
    return {"runs": names, "fingerprint": made[0].dead_letters.get().fingerprint}


def ask(customer: str = "Jenny Rosen") -> dict[str, str]:
    """Let a run ask which account belongs to a customer."""
    pair = Pair.objects.get(environment__slug="dev", environment__workspace__slug="acme")
    review = a_question(pair, which_account(customer))
    _tell(pair.environment, "closed", "waiting", [review.run.public_id])
    return {"question": review.public_id, "run": review.run.public_id}


def answer(question: str, value: str) -> None:
    """Let somebody else answer a question."""
    review = Review.objects.get(public_id=question)
    reviews.answer(review=review, value=value, actor="otto@acme.test", now=timezone.now())


def state_of(run: str) -> str:
    """Return the state of a run."""
    return str(Run.objects.get(public_id=run).state)


def finish(run: str) -> None:
    """Let a run that is retried come through."""
    found = Run.objects.get(public_id=run)
    Run.objects.filter(pk=found.pk).update(
        state="done", fate="applied", reason="", finished_at=timezone.now(), next_attempt_at=None, steps="ss"
    )
    _tell(found.pair.environment, "closed", "applied", [run])


def _tell(environment: Environment, kind: str, fate: str, runs: list[str]) -> None:
    Change.objects.record(
        environment_id=environment.pk,
        kind=kind,
        summary={"fates": {fate: len(runs)}, "runs": runs[: Change.MOST_RUNS]},
        now=timezone.now(),
    )


def stop_workers() -> None:
    """Let an event wait that nobody takes."""
    pair = Pair.objects.get(environment__slug="dev", environment__workspace__slug="acme")
    Worker.objects.all().delete()
    an_event(pair, b"{}", timezone.now() - timedelta(minutes=3), kind="charge.pending", object_id="ch_waits")


def start_workers() -> None:
    """Take everything that waits."""
    Lane.objects.update(ready_at=None)
    Event.objects.filter(dispatched_at__isnull=True).update(dispatched_at=timezone.now(), fate="ignored")


def rest(connection: str, reason: str) -> None:
    """Let a connection rest."""
    Connection.objects.filter(public_id=connection).update(
        state="resting", state_reason=reason, paused_until=timezone.now() + timedelta(hours=2)
    )


def mapper() -> dict[str, str]:
    """Let the org's fields be known, and return the addresses of two mappings."""
    return mapping.build(_pair())


def fresh_mapper(slug: str, lines: list[dict[str, Any]]) -> str:
    """Return the address of a mapping of its own."""
    return mapping.a_fresh_mapper(_pair(), slug, lines)


def lines_of(slug: str) -> list[dict[str, Any]]:
    """Return the lines of a draft."""
    return mapping.lines_of(slug)


def fields() -> dict[str, str]:
    """Let hundreds of fields be known, and return where they stand."""
    return known.build(_pair())


def _pair() -> Pair:
    return Pair.objects.get(environment__slug="dev", environment__workspace__slug="acme")


ORDERS = (
    build, arrive, die, ask, answer, state_of, finish, stop_workers, start_workers, rest, something_is_wrong,
    mapper, fresh_mapper, lines_of, fields, build_oddly, *AT_DESK,
)  # fmt: skip
CALLS: dict[str, Callable[..., Any]] = {call.__name__: call for call in ORDERS}
CALLS |= town.CALLS
CALLS |= {"deals": lambda: deals.build(_pair()), "measure": lambda: measured(_pair())}
CALLS |= {"lack": lambda external_id: lacking(_pair(), external_id)}
CALLS |= {
    "looked_at_merge": lambda: merged.looked_at(_pair()),
    "end_merge": merged.end,
    "state_of_merge": merged.state_of,
}
CALLS |= {"publish": mapping.publish, "passages": passed.build, "odd": lambda: odd.build(_pair())}


def main() -> None:
    """Do what each line asks for, until there are no more."""
    for line in sys.stdin:
        order = json.loads(line)
        answer = CALLS[order["call"]](**order.get("with", {}))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrator.settings")
    main()
