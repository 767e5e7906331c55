"""This module checks the measure itself: the events that benchmarks send, and what they expect of them."""

from __future__ import annotations

import json

from connectors.stripe import webhooks
from tests.benchmarks.events import SIZE, STATES, Maker, with_duplicates


def test_an_event_is_one_that_intake_reads_and_has_the_size_that_is_stated():
    event = Maker(now=1_790_000_000).make(7, 2)

    read = webhooks.read(event.body)

    assert isinstance(read, webhooks.Envelope)
    assert (read.id, read.object_id, read.type) == (event.id, event.charge, "charge.succeeded")
    assert json.loads(event.body)["data"]["object"]["amount"] == event.amount
    assert abs(len(event.body) - SIZE) < 100


def test_versions_of_a_charge_are_told_apart_by_their_second():
    maker = Maker(now=1_790_000_000)

    times = [json.loads(maker.make(7, version).body)["created"] for version in range(len(STATES))]

    assert times == sorted(set(times))


def test_disorder_puts_about_as_many_events_before_their_predecessor_as_was_asked():
    events = Maker().histories(1_000, 3, seed=1, disorder=0.1)

    place = {(event.charge, event.version): index for index, event in enumerate(events)}
    swapped = sum(place[charge, version] < place[charge, version - 1] for charge, version in place if version)
    assert len(place) == 3_000
    assert 100 < swapped < 300


def test_without_disorder_every_charge_has_its_versions_in_order():
    events = Maker().histories(200, 3, seed=1)

    place = {(event.charge, event.version): index for index, event in enumerate(events)}
    assert all(place[charge, version] > place[charge, version - 1] for charge, version in place if version)


def test_duplicates_come_on_top():
    events = Maker().histories(1_000, 1, seed=1)

    sent = with_duplicates(events, 0.05, seed=2)

    assert 20 < len(sent) - 1_000 < 100
    assert {event.id for event in sent} == {event.id for event in events}
