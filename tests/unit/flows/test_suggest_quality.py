"""Suggestions stay as good as they are on pairs that people judged by meaning."""

from __future__ import annotations

import pytest

from flows.mapping.suggest import assign, suggest_for_fields, suggest_reverse
from tests.benchmarks import suggestions
from tests.judged import HALVES, data, figures, ranked, share, source

KNOWN, PLAIN = "types are known", "types are what JSON tells"
both_halves = pytest.mark.parametrize("half", HALVES)


def test_the_pairs_are_many_and_name_what_is_there():
    pairs = data()["pairs"]

    assert len([one for one in pairs if one["field"]]) >= 400
    assert {one["half"] for one in pairs} == set(HALVES)
    assert all(one["path"] in data()["sources"] for one in pairs)
    for one in pairs:
        names = {field["name"] for field in data()["objects"][one["object"]]}
        assert one["field"] is None or one["field"] in names


def test_no_object_is_in_both_halves():
    halves = [{one["object"] for one in data()["pairs"] if one["half"] == half} for half in HALVES]

    assert halves[0].isdisjoint(halves[1])


@both_halves
@pytest.mark.parametrize("typed", [True, False], ids=[KNOWN, PLAIN])
def test_the_right_field_comes_first(half, typed):
    found = figures(half, typed=typed)

    assert found["top1"] >= 0.93
    assert found["top3"] >= 0.97
    assert found["mrr"] >= 0.95


@both_halves
def test_a_strong_suggestion_is_nearly_always_right(half):
    found = figures(half)

    assert found["strong"] >= 0.92
    assert found["recall"] >= 0.85


@both_halves
def test_what_has_no_field_is_not_strong(half):
    none = [suggestions for pair, suggestions in ranked(half) if pair.field is None]

    assert share([not found or found[0].band != "strong" for found in none]) >= 0.85


@both_halves
def test_the_right_change_comes_with_the_right_field(half):
    assert figures(half)["changes"] >= 0.97


@both_halves
def test_one_to_one_keeps_most_pairs(half):
    wanted = [pair for pair, _ in ranked(half) if pair.field]
    kept = {
        (name, one.path, one.field)
        for name in {pair.object for pair in wanted}
        for one in assign(
            [one for pair, found in ranked(half) if pair.object == name for one in found], min_score=0.60
        )
    }

    assert share([(pair.object, pair.path, pair.field) in kept for pair in wanted]) >= 0.80


@both_halves
@pytest.mark.parametrize("way", ["for fields", "reverse"])
def test_the_path_is_found_from_the_field_too(half, way):
    wanted = [pair for pair, _ in ranked(half) if pair.field]
    found = 0
    for name in {pair.object for pair in wanted}:
        pairs = [pair for pair in wanted if pair.object == name]
        paths, targets = [source(pair.path) for pair in pairs], data()["objects"][name]
        back = way == "reverse"
        answers = suggest_reverse(targets, paths) if back else suggest_for_fields(paths, targets)
        given = {(one.field, one.path) for one in answers}
        found += sum((pair.field, pair.path) in given for pair in pairs)

    assert found / len(wanted) >= 0.95


@pytest.mark.serial
def test_a_wide_object_is_suggested_for_at_once():
    assert suggestions.milliseconds(paths=150, fields=50) <= 300
