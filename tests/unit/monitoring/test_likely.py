"""Likely causes: what the events of an incident have in common, and nothing where nothing stands out."""

from __future__ import annotations

from monitoring.detection.likely import less_of, more_of

USUAL = [{"currency": "EUR" if n % 3 else "USD", "country": "DE" if n % 2 else "FR"} for n in range(200)]


def test_a_value_that_was_rare_before_is_named_with_its_share() -> None:
    now = [{"currency": "EUR", "country": "BR", "error code": "do_not_honor"} for _ in range(20)]

    found = more_of(now, USUAL)

    assert [(cause.what, cause.value) for cause in found] == [
        ("country", "BR"),
        ("error code", "do_not_honor"),
    ]
    assert found[0].sentence == "Country BR: 100% of them, usually 0%."


def test_nothing_is_said_of_few_events_or_of_such_as_always() -> None:
    assert more_of(USUAL[:40], USUAL) == []
    assert more_of([{"country": "BR"}] * 4, USUAL) == []


def test_what_has_gone_missing_is_named_only_where_others_still_come() -> None:
    without_dollars = [one for one in USUAL[:60] if one["currency"] == "EUR"]

    found = less_of(without_dollars, USUAL, times=0.3)

    assert [(cause.what, cause.value) for cause in found] == [("currency", "USD")]
    assert less_of([], USUAL, times=0.3) == []
