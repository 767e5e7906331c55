"""Whatever a document holds, it is taken or refused with a place."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from flows.engine import definition, plan
from flows.engine.definition import InvalidDocument
from flows.recipes import catalogue
from flows.steps import registry

KINDS = registry.load()
RAW = catalogue.load("payments").raw
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def places(value, before=()):
    """Return the way to every part of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [before, *(way for key, part in inner for way in places(part, (*before, key)))]


PLACES = [way for way in places(RAW) if way]


@given(st.sampled_from(PLACES), JSON)
def test_a_document_with_anything_anywhere_is_taken_or_refused(way, anything):
    document = copy.deepcopy(RAW)
    part = document
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = anything

    try:
        loaded = definition.load(document, kinds=KINDS)
    except InvalidDocument as refusal:
        told = refusal.problems
    else:
        told = [plan.build(loaded, kinds=KINDS)]

    assert told


@given(JSON)
def test_anything_that_is_no_document_is_refused(anything):
    told = ""
    try:
        definition.load({"document": anything}, kinds=KINDS)
    except InvalidDocument as refusal:
        told = str(refusal)

    assert "format: This is required" in told
