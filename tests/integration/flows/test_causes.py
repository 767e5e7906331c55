"""This module tests what people arrange about dead letters of one cause, and what the list then shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from flows import causes, retention
from flows.causes import Wanted
from flows.models import Cause, DeadLetter, Deployment, Pair
from integrator.accounts.models import AuditEntry, Environment, User
from integrator.kernel.refusals import Unacceptable
from tests.builders import NOON, a_person, an_environment
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
