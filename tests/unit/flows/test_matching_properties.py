"""Tests of what holds for all records that are compared, however strange, and of what decisions teach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.matching import (
    Finding,
    Frequencies,
    InMemoryStore,
    Policy,
    Reviewed,
    Weights,
    block_keys,
    cautious,
    compare,
    find,
    normalise,
    refit,
    score,
    terms,
    usual,
)
from tests.benchmarks.duplicates import measure
from tests.benchmarks.lookalikes import World

FIELDS = ("name", "contact", "company", "email", "phone", "line1", "city", "postal", "country", "domain")
WORDS = st.sampled_from(
    [
        "Ann",
        "Anne",
        "Lee",
        "lee",
        "Ana Maria",
        "SAS",
        "GmbH",
        "Łoś",
        "12",
        "a@b.co",
        "ann@lee.com",
        "+44 20 7946 0018",
        "\ud800@\ud800.com",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(WORDS, max_size=3).map(" ".join),
    st.none(),
    st.integers(),
    st.just("𝔞@" * 50_000),
)
RECORDS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, TEXTS))


@settings(max_examples=60, deadline=None)
@given(RECORDS, RECORDS)
def test_records_compare_the_same_from_both_sides_and_their_waterfall_adds_up(one, other):
    a, b = normalise(one), normalise(other)
    tf = Frequencies({term: 1 + abs(term) % 9 for term in terms(a) | terms(b)})

    waterfall = compare(a, b, tf)

    assert compare(b, a, tf) == waterfall
    bits = [line.bits for line in waterfall]
    assert sum(bits) == sum(reversed(bits)) == score(waterfall)


@settings(max_examples=25, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_the_order_in_which_customers_became_known_changes_nothing(records):
    stores = InMemoryStore(), InMemoryStore()
    known = [(str(number), normalise(record)) for number, record in enumerate(records)]
    for store, order in zip(stores, (known, reversed(known)), strict=True):
        for id, norm in order:
            store.add(id, norm)

    decisions = [find(known[0][1], store, policy=Policy(automatic=True)) for store in stores]

    assert decisions[0] == decisions[1]


@settings(max_examples=40, deadline=None)
@given(RECORDS)
def test_keys_fit_into_a_column_of_64_bits_and_are_few(record):
    norm = normalise(record)

    numbers = block_keys(norm) | terms(norm)

    assert all(-(2**63) <= number < 2**63 for number in numbers)
    assert len(numbers) < 150


def test_a_key_is_the_same_in_every_process():
    assert block_keys(normalise({"domain": "example.com"})) == {7207433106225478118}


def test_weights_are_read_as_they_are_written():
    assert Weights.from_json(usual().as_json()) == usual()


PHONE = Finding("phone", "exact", 0.0)
NAME = Finding("name", "surname", 0.0)


def test_decisions_teach_that_a_shared_phone_says_less_here():
    reviewed = [Reviewed((PHONE,), same=number % 5 == 0) for number in range(60)]

    learnt = refit(usual(), reviewed)

    assert (
        usual().bits("phone", "exact") - 4
        < learnt.bits("phone", "exact")
        < usual().bits("phone", "exact") - 1
    )
    assert learnt.bits("email", "exact") == usual().bits("email", "exact")


def test_what_was_expected_teaches_nothing_and_neither_do_few_decisions():
    expected = [Reviewed((NAME,), same=False)] * 60

    assert refit(usual(), expected).bits("name", "surname") == pytest.approx(
        usual().bits("name", "surname"), abs=0.2
    )
    assert refit(usual(), [Reviewed((PHONE,), same=False)] * 49) == usual()


def test_the_automatic_line_rises_above_what_people_refused_and_never_falls():
    refused = Reviewed((PHONE, Finding("email", "exact", 0.0)), same=False)
    policy = Policy(auto=5.0)

    risen = cautious(policy, [refused])

    assert risen.auto == score_of(refused) + policy.margin > policy.auto
    assert cautious(risen, [replace(refused, same=True)] * 99) == risen


def score_of(one: Reviewed) -> float:
    """Return the score that the usual weights give to what was found."""
    return usual().before + sum(usual().bits(*finding) for finding in one.findings)


def test_most_duplicates_are_found_among_customers_who_look_like_them():
    """A small run of the benchmark, with bounds that leave room for its few questions."""
    world = World(7)
    known = list(world.customers(1_000))

    figures = measure(known=known, questions=list(world.asked(known, 200)))

    assert figures["precision"] >= 0.99
    assert figures["recall"] >= 0.93
    assert figures["f1"] >= 0.92
