"""Rules: whom they tell, when, in how many messages; quiet hours by the clocks of a place, all year."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from monitoring import ruling
from monitoring.ruling import Incident, News, Quiet, Step, Terms, Waiting

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CHAT, PAGER = 1, 2
BOTH = frozenset({"warning", "critical"})


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def a_rule(rule: int = 1, **fields: object) -> Terms:
    return Terms(**({"rule": rule, "severities": BOTH, "steps": (Step(CHAT),)} | fields))  # type: ignore[arg-type]


def an_incident(**fields: object) -> Incident:
    values = {"alert": 7, "kind": "outage", "severity": "warning", "environment": 3, "opened_at": NOON}
    return Incident(**(values | fields))  # type: ignore[arg-type]


def waiting(notice: int, **fields: object) -> Waiting:
    values = {
        "notice": notice, "rule": 1, "channel": CHAT, "kind": "outage", "severity": "warning",
        "news": News.OPENED, "due_at": NOON,
    }  # fmt: skip
    return Waiting(**(values | fields))  # type: ignore[arg-type]


def told(rules: list[Terms], incident: Incident, news: News = News.OPENED) -> list[tuple[int, News, float]]:
    planned = ruling.plan(rules, incident, news, now=NOON)
    return [(one.channel, one.news, (one.due_at - NOON) / minutes(1)) for one in planned]


def packed(those: list[Waiting], terms: Terms, *, sent: int = 0, now: datetime = NOON) -> ruling.Packed:
    at = [now - minutes(50 - number) for number in range(sent)]
    return ruling.pack(those, terms={1: terms}, sent={(1, CHAT): at}, now=now)


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        ({}, True),
        ({"severities": frozenset({"critical"})}, False),
        ({"kinds": frozenset({"outage"})}, True),
        ({"kinds": frozenset({"dead_letters"})}, False),
        ({"environments": frozenset({3})}, True),
        ({"environments": frozenset({4})}, False),
    ],
)
def test_a_rule_is_about_what_it_names(terms, fits):
    assert bool(told([a_rule(**terms)], an_incident())) is fits


def test_what_concerns_a_whole_workspace_concerns_each_environment():
    assert told([a_rule(environments=frozenset({4}))], an_incident(environment=None))


def test_a_rule_that_stops_hides_those_behind_it_where_it_fits():
    rules = [
        a_rule(1, kinds=frozenset({"outage"}), stops=True),
        a_rule(2, steps=(Step(PAGER),)),
    ]

    assert [one[0] for one in told(rules, an_incident())] == [CHAT]
    assert [one[0] for one in told(rules, an_incident(kind="reviews"))] == [PAGER]


def test_a_rule_whose_channels_are_all_switched_off_hides_nothing():
    rules = [a_rule(1, steps=(), stops=True), a_rule(2, steps=(Step(PAGER),))]

    assert [one[0] for one in told(rules, an_incident())] == [PAGER]


def test_nobody_acknowledges_so_the_next_channel_is_told():
    rule = a_rule(steps=(Step(CHAT), Step(PAGER, minutes(15))))

    assert told([rule], an_incident()) == [(CHAT, News.OPENED, 0), (PAGER, News.ESCALATED, 15)]
    assert told([rule], an_incident(), News.AGAIN) == [(CHAT, News.AGAIN, 0)]


def test_two_rules_that_name_one_channel_tell_it_once():
    assert len(told([a_rule(1, window=minutes(5)), a_rule(2)], an_incident())) == 1


def test_more_of_the_same_is_told_every_now_and_then():
    (one,) = ruling.plan([a_rule()], an_incident(), News.AGAIN, now=NOON, last=NOON - minutes(5))

    assert one.due_at == NOON + minutes(10)


def test_a_channel_that_is_down_is_told_to_nobody_outside():
    assert not told([a_rule()], an_incident(kind="channel"))


def test_incidents_of_one_kind_within_the_window_are_one_message():
    rule = a_rule(window=minutes(5))
    those = [
        waiting(1),
        waiting(2, due_at=NOON + minutes(4)),
        waiting(3, kind="reviews", due_at=NOON + minutes(4)),
        waiting(4, news=News.ESCALATED, due_at=NOON + minutes(4)),
    ]

    assert [one.notices for one in packed(those, rule).parcels] == [(1, 2)]


def test_what_is_over_the_limit_of_an_hour_is_one_digest_and_then_waits():
    those = [waiting(number, kind=f"kind{number}") for number in range(5)]
    rule = a_rule(per_hour=3)

    first = packed(those, rule)
    assert [(one.notices, one.digest) for one in first.parcels] == [
        ((0,), False), ((1,), False), ((2, 3, 4), True),
    ]  # fmt: skip
    full = packed(those, rule, sent=3)
    assert not full.parcels
    assert set(full.postponed.values()) == {NOON - minutes(50) + timedelta(hours=1)}


def test_the_critical_ones_are_not_those_that_end_in_the_digest():
    those = [waiting(1, kind="a"), waiting(2, kind="b"), waiting(3, kind="c", severity="critical")]

    first, *_ = packed(those, a_rule(per_hour=2)).parcels

    assert first.notices == (3,)


def test_in_quiet_hours_only_what_is_critical_is_told():
    rule = a_rule(quiet=Quiet(time(11), time(14)))
    those = [waiting(1), waiting(2, severity="critical")]

    done = packed(those, rule)

    assert [one.notices for one in done.parcels] == [(2,)]
    assert done.postponed == {1: NOON + timedelta(hours=2)}
    strict = a_rule(quiet=Quiet(time(11), time(14), lets_critical=False))
    assert not packed(those, strict).parcels


@pytest.mark.parametrize(
    ("now", "over"),
    [
        # Over midnight, in winter time: 22:00 to 07:00 in Berlin is 21:00 to 06:00 UTC.
        ("2026-11-24T20:59", None),
        ("2026-11-24T21:00", "2026-11-25T06:00"),
        ("2026-11-25T05:59", "2026-11-25T06:00"),
        ("2026-11-25T06:00", None),
        # The night in which clocks are put back has an hour more, the one in spring an hour less.
        ("2026-10-24T20:30", "2026-10-25T06:00"),
        ("2026-03-28T21:30", "2026-03-29T05:00"),
    ],
)
def test_quiet_hours_are_those_of_the_place(now, over):
    quiet = Quiet(time(22), time(7), "Europe/Berlin")

    end = quiet.over_at(datetime.fromisoformat(now).replace(tzinfo=UTC), critical=False)

    assert end == (over and datetime.fromisoformat(over).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-10-25T00:10", "2026-10-25T00:30"),  # 02:10 in summer time
        ("2026-10-25T01:10", "2026-10-25T01:30"),  # 02:10 once more, in winter time
        ("2026-03-28T23:30", "2026-03-29T01:30"),  # 02:30 is left out: it is 03:30 then
    ],
)
def test_an_end_that_clocks_show_twice_or_never_still_comes(now, over):
    quiet = Quiet(time(0), time(2, 30), "Europe/Berlin")

    end = quiet.over_at(datetime.fromisoformat(now).replace(tzinfo=UTC), critical=False)

    assert end == datetime.fromisoformat(over).replace(tzinfo=UTC)
