"""This module tests what people arrange about dead letters of one cause, and what the list then shows."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors.salesforce.ids import as_18
from flows import causes, deadletters, retention
from flows.causes import Wanted
from flows.engine.outcome import Failure
from flows.models import Cause, DeadLetter, Deployment, Link, Pair
from integrator.accounts.models import AuditEntry, Environment, User
from integrator.kernel.refusals import Unacceptable
from tests.builders import NOON, a_pair, a_person, an_environment
from tests.integration.flows.given import an_event
from tests.integration.flows.reading import Reader, a_dead_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev(pair: Pair) -> Environment:
    return an_environment()


def a_cause(pair: Pair, field: str = "Country__c") -> str:
    """Return the fingerprint of a letter that has come in at noon."""
    return a_dead_run(pair, field=field).dead_letters.get().fingerprint


def shown(dev: Environment, **wanted: object) -> set[str]:
    rows = causes.narrowed(causes.open_letters(dev), dev, Wanted(**wanted), now=NOON)
    return set(rows.values_list("fingerprint", flat=True))


def test_the_trend_counts_each_day_whatever_became_of_its_letters(
    pair: Pair, live: Deployment, dev: Environment
) -> None:
    fingerprint = a_cause(pair)
    for days, many in ((1, 2), (13, 1), (14, 5)):  # the last are too old
        for _ in range(many):
            letter = a_dead_run(pair).dead_letters.get()
            DeadLetter.objects.filter(pk=letter.pk).update(created_at=NOON - timedelta(days=days))
    DeadLetter.objects.filter(created_at__lt=NOON - timedelta(hours=1)).update(resolved_at=NOON)

    trend = causes.trends(dev, [fingerprint], now=NOON)[fingerprint]

    assert trend.counts == (1, *[0] * 11, 2, 1)
    assert (trend.most, trend.days[-1][0]) == (2, NOON.date())


def test_a_cause_is_found_by_who_sees_to_it_and_by_its_tags(
    pair: Pair, live: Deployment, dev: Environment, otto: User
) -> None:
    country, name = a_cause(pair), a_cause(pair, "Name")
    about = {"environment": dev, "fingerprint": country, "actor": "ada", "now": NOON}

    causes.assign(person=" Otto@acme.test", **about)
    causes.tag(names=["With  Finance", "later", ""], **about)

    assert shown(dev, assigned="otto@acme.test") == shown(dev, tag="with finance") == {country}
    assert shown(dev, assigned=causes.NOBODY) == {name}
    assert causes.tags_in_use(dev) == ["later", "with finance"]
    entry = AuditEntry.objects.get(action="deadletters.assigned")
    assert (entry.details["to"], entry.details["field"]) == ("otto@acme.test", "Country__c")


def test_who_has_left_sees_to_nothing(pair: Pair, live: Deployment, dev: Environment, otto: User) -> None:
    fingerprint = a_cause(pair)
    causes.assign(environment=dev, fingerprint=fingerprint, person=otto.email, actor="ada", now=NOON)

    otto.memberships.all().delete()

    assert causes.known(dev, [fingerprint])[fingerprint].assignee is None
    assert shown(dev, assigned=causes.NOBODY) == {fingerprint}


def test_what_is_put_off_comes_back_by_itself(pair: Pair, live: Deployment, dev: Environment) -> None:
    fingerprint = a_cause(pair)
    about = {"environment": dev, "fingerprint": fingerprint, "actor": "ada", "now": NOON}

    causes.snooze(until=NOON + timedelta(hours=1), **about)

    assert (shown(dev), shown(dev, snoozed=True)) == (set(), {fingerprint})
    later = causes.narrowed(causes.open_letters(dev), dev, Wanted(), now=NOON + timedelta(hours=1))
    assert later.count() == 1
    with pytest.raises(Unacceptable, match="at most 90 days"):
        causes.snooze(until=NOON + timedelta(days=91), **about)


def test_what_cannot_be_arranged_is_refused(pair: Pair, live: Deployment, dev: Environment) -> None:
    about = {"environment": dev, "fingerprint": a_cause(pair), "actor": "ada", "now": NOON}
    a_person("eve@acme.test", role=None)

    with pytest.raises(Unacceptable, match="belongs to this environment"):
        causes.assign(person="eve@acme.test", **about)
    with pytest.raises(Unacceptable, match="at most 30 characters"):
        causes.tag(names=["x" * 31], **about)
    with pytest.raises(Cause.DoesNotExist):
        causes.tag(names=[], **about | {"environment": an_environment("qa")})


def test_a_cause_is_forgotten_long_after_its_letters_are_gone(
    pair: Pair, live: Deployment, dev: Environment
) -> None:
    gone, there = a_cause(pair), a_cause(pair, "Name")
    for fingerprint in (gone, there):
        causes.tag(environment=dev, fingerprint=fingerprint, names=["a"], actor="ada", now=NOON)
    DeadLetter.objects.filter(fingerprint=gone).delete()

    retention.purge_all(now=NOON + retention.REPORTED + timedelta(days=1), pause=0)

    assert [cause.fingerprint for cause in Cause.objects.all()] == [there]


def test_the_pages_arrange_a_cause_and_narrow_the_list(
    reader: Reader, pair: Pair, live: Deployment, otto: User
) -> None:
    country, _ = a_cause(pair), a_cause(pair, "Name")
    path = f"dead-letters/causes/{country}/"

    pressed = [
        reader.press(f"{path}assign/", person=otto.email),
        reader.press(f"{path}tags/", tags="<b>, urgent"),
        reader.press(f"{path}snooze/", span="1d"),
    ]

    assert [answer.status_code for answer in pressed] == [204] * 3
    mine = reader.page("dead-letters/", assigned="me", snoozed="yes")
    assert mine.count('<article class="group"') == 1
    assert "put off until" in mine
    assert "?tag=%3Cb%3E" in mine
    assert "<b>" not in mine
    assert reader.page("dead-letters/").count('<article class="group"') == 1
    assert "Nothing fits" in reader.page("dead-letters/", tag="none")
    assert 'value="&lt;b&gt;, urgent"' in reader.page(path)
    assert Cause.objects.get().snoozed_until > timezone.now() + timedelta(hours=23)
    assert reader.press(f"{path}assign/", person="nobody@else.test").status_code == 422


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param("country REQUIRED_FIELD", {"Country__c"}, id="a field and a code"),
        pytest.param("required", {"Country__c", "Name"}, id="a word of both messages"),
        pytest.param("required nowhere", set(), id="a word that stands nowhere"),
        pytest.param("save Payments", {"Country__c", "Name"}, id="a step and its flow"),
        pytest.param("100%", set(), id="what a database takes for a pattern"),
    ],
)
def test_causes_are_found_by_words(
    reader: Reader, pair: Pair, live: Deployment, said: str, found: set[str]
) -> None:
    for field in ("Country__c", "Country__c", "Name"):
        a_cause(pair, field)

    page = reader.page("dead-letters/", q=said)

    assert set(re.findall(r"data-row>[^<]* · (\w+)</a>", page)) == found
    assert f'name="q" value="{said}"' in page
    assert ("Nothing fits" in page) is not bool(found)
    assert ("Discard all 2" in page) is ("Country__c" in found)  # what is done is about the whole cause


@pytest.mark.parametrize("by", ["event", "object", "run", "letter", "record", "fingerprint"])
def test_a_cause_is_found_by_any_id_of_one_of_its_letters(
    reader: Reader, pair: Pair, live: Deployment, by: str
) -> None:
    older, _ = a_dead_run(pair), a_dead_run(pair)
    a_dead_run(pair, field="Name")
    letter = older.dead_letters.get()
    Link.objects.create(
        pair=pair, stripe_id=older.event.object_id, salesforce_object="Payment__c", external_id="ext",
        record_id=as_18("a0B5g00000XyZab"), agreed=b"", first_synced_at=NOON, synced_at=NOON,
    )  # fmt: skip
    ids = {
        "event": older.event.external_id,
        "object": older.event.object_id,
        "run": older.public_id,
        "letter": letter.public_id,
        "record": "a0B5g00000XyZab",
        "fingerprint": letter.fingerprint[:16].upper(),
    }

    page = reader.page("dead-letters/", q=ids[by])

    assert page.count('<article class="group"') == 1
    assert "Discard all 2" in page
    assert "Country__c" in page


def test_causes_are_narrowed_to_a_flow_and_to_what_is_wrong(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    a_cause(pair)
    event = an_event(pair.stripe, external_id="unreadable:1", unreadable="The body is not JSON")
    failure = Failure("unknown", "The body is not JSON", code="unreadable")
    deadletters.file([deadletters.Obituary(event.pk, failure)], now=NOON)
    flow = live.flow.public_id

    of_flow, unknown = (
        reader.page("dead-letters/", flow=flow),
        reader.page("dead-letters/", error_class="unknown"),
    )
    neither = reader.page("dead-letters/", flow=flow, error_class="unknown")

    assert ("Country__c" in of_flow, "The body is not JSON" in of_flow) == (True, False)
    assert f'<option value="{flow}" selected>' in of_flow
    assert ("Country__c" in unknown, "The body is not JSON" in unknown) == (False, True)
    assert '<option value="unknown" selected>' in unknown
    assert "Nothing fits" in neither
    assert "No such flow" in reader.page("dead-letters/", flow="another")
    assert f"dead-letters.csv?flow={flow}" in of_flow


def test_a_cause_of_another_environment_stands_in_neither_list_nor_number(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    fingerprint = a_cause(pair)
    there = a_pair(an_environment("qa"))
    event = an_event(there.stripe)
    failure = Failure("data", "Required", code="REQUIRED_FIELD_MISSING", field="Country__c")
    deadletters.file([deadletters.Obituary(event.pk, failure, flow_id=live.flow_id, step="save")], now=NOON)

    page = reader.page("dead-letters/")

    assert set(DeadLetter.objects.values_list("fingerprint", flat=True)) == {fingerprint}
    assert page.count('<article class="group"') == 1
    assert "Discard all" not in page
