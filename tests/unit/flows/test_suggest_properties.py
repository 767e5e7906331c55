"""Whatever fields are called, suggestions bear it; one to one is the best there is."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.mapping.spec import Mapping
from flows.mapping.suggest import SObjField, SrcField, Suggestion, assign, suggest

TEXTS = st.text(max_size=60)
PATHS = st.one_of(TEXTS, st.from_regex(r"[a-z_]{1,12}(\.[a-z_]{1,12}){0,3}", fullmatch=True))
TYPES = st.sampled_from(["amount", "timestamp", "string", "id", "list", "map", "unknown", "", "zork"])
SOURCES = st.builds(SrcField, PATHS, TYPES, st.tuples(st.one_of(st.none(), TEXTS, st.integers())), TEXTS)
FIELDS = st.builds(
    SObjField, TEXTS, TEXTS,
    st.sampled_from(["string", "currency", "datetime", "picklist", "reference", "textarea", "zork"]),
    st.integers(0, 300),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(SOURCES, max_size=4), st.lists(FIELDS, max_size=4), st.integers(1, 3))
def test_any_names_and_labels_are_borne(sources, targets, k):
    found = suggest(sources, targets, k=k)

    assert found == suggest(sources, targets, k=k)
    assert all(0 <= one.score <= 1 and one.reason for one in found)
    assert len(found) <= len(sources) * k
    assert {one.field for one in found} <= {one.name for one in targets}


SCORES = st.sampled_from([0.3, 0.6, 0.65, 0.7, 0.9, 1.0])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.tuples(st.sampled_from("abcd"), st.sampled_from("WXYZ")), SCORES))
def test_one_to_one_is_the_best_there_is(scores):
    pairs = [Suggestion(path, field, score) for (path, field), score in scores.items()]

    kept = assign(pairs)

    assert len({one.path for one in kept}) == len({one.field for one in kept}) == len(kept)
    assert all(one.score >= 0.6 for one in kept)
    assert sum(one.score for one in kept) == pytest.approx(_best(scores, "abcd", frozenset()), abs=1e-4)


def _best(scores, paths, taken):
    if not paths:
        return 0.0
    path, rest = paths[0], paths[1:]
    options = [field for field in "WXYZ" if field not in taken and scores.get((path, field), 0) >= 0.6]
    return max(
        _best(scores, rest, taken),
        *(scores[path, field] + _best(scores, rest, taken | {field}) for field in options),
        0.0,
    )


@pytest.mark.parametrize(
    "label",
    [
        "<script>alert(1)</script>",
        "Amount\x00\u202e",
        "💶" * 500,
        "a" * 100_000,
        "_" * 1_000,
        "amount" * 5_000,
    ],
    ids=["markup", "control characters", "emoji", "a long word", "no word", "a long joined word"],
)
def test_a_hostile_label_is_shown_short_and_plain(label):
    target = SObjField("Amount__c", label, "currency")

    (found,) = suggest([SrcField("charge.amount", "amount")], [target])

    assert found.field == "Amount__c"
    assert len(found.reason) < 300
    assert found.reason.isprintable()


def test_thousands_of_fields_share_their_names_without_harm():
    sources = [SrcField(f"charge.part{number}.amount", "amount") for number in range(300)]
    targets = [SObjField(f"Amount_{number}__c", type="currency") for number in range(300)]

    kept = assign(suggest(sources, targets, k=8), min_score=0.45)

    assert len({one.field for one in kept}) == len(kept)


def test_suggestions_need_neither_django_nor_a_model():
    code = (
        "import sys, flows.mapping.suggest;"
        "print([name for name in ('django', 'numpy', 'torch', 'stripe') if name in sys.modules])"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"


def test_every_pair_of_kinds_and_types_is_borne():
    kinds = ["amount", "timestamp", "currency", "id", "enum", "boolean", "integer", "number", "list", "map"]
    types = ["string", "picklist", "reference", "date", "datetime", "currency", "double", "boolean", "email"]

    for kind, type_ in product(kinds, types):
        for one in suggest([SrcField("charge.thing", kind)], [SObjField("Thing__c", type=type_)]):
            assert one.line is None or Mapping.model_validate({"target": "X__c", "lines": [one.line]})
