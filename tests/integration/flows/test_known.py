"""What the inbox knows of a record: whether an event has told of its last change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows import known
from flows.known import Row, Seen, Told
from flows.models import Event, Pair
from tests.builders import NOON
from tests.integration.flows.given import an_event

pytestmark = pytest.mark.django_db

ID = "001000000000001AAA"
SECOND = timedelta(seconds=1)
TOLD: dict[str, Any] = {"happened_at": NOON, "dispatched_at": NOON + 2 * SECOND, "fate": "applied"}


def seen(pair: Pair, *, deleted: bool = False, kind: str = "Account.updated", **fields: Any) -> known.Seen:
    """Return what is known of a record that was modified at noon, after one event about it."""
    event = an_event(pair.salesforce, {}, object_id=ID, type=kind)
    Event.objects.filter(pk=event.pk).update(**(TOLD | fields))
    return known.of(pair.salesforce, "Account", [Row(ID, NOON, NOON, deleted)])[ID]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({}, Told.YES, id="handled when the second was over"),
        pytest.param({"happened_at": NOON + SECOND}, Told.YES, id="of a later change"),
        pytest.param({"dispatched_at": None, "fate": "queued"}, Told.YES, id="not taken up yet"),
        pytest.param({"dispatched_at": NOON + SECOND / 2}, Told.DOUBTFUL, id="handled within the second"),
        pytest.param({"happened_at": NOON - SECOND}, Told.NO, id="of an earlier change"),
        pytest.param({"fate": "refused"}, Told.NO, id="refused"),
        pytest.param(
            {"fate": "ignored", "fate_reason": "no flow handles Account.updated"}, Told.NO, id="unwanted then"
        ),
        pytest.param(
            {"fate": "ignored", "fate_reason": "the flow is switched off"}, Told.NO, id="switched off then"
        ),
        pytest.param({"fate": "ignored", "fate_reason": "the filter said no"}, Told.YES, id="filtered"),
        pytest.param({"kind": "Account.deleted"}, Told.NO, id="of its deletion, but it is there"),
        pytest.param({"deleted": True}, Told.NO, id="of a change, but it is gone"),
        pytest.param(
            {"deleted": True, "kind": "Account.deleted", "happened_at": NOON - 2 * SECOND}, Told.YES,
            id="of its deletion, by a stamp that differs a little",
        ),
        pytest.param({"purged_at": NOON, "body": b""}, Told.YES, id="whose body is gone"),
    ],
)  # fmt: skip
def test_an_event_has_told_of_the_last_change(pair: Pair, fields: dict[str, Any], told: Told) -> None:
    assert seen(pair, **fields).told is told


@pytest.mark.parametrize(
    ("row", "newest", "type_"),
    [
        pytest.param(Row(ID, NOON, NOON, False), "", "created", id="new, and nobody told"),
        pytest.param(Row(ID, NOON, NOON, False), "Account.updated", "created", id="told of a change alone"),
        pytest.param(Row(ID, NOON, NOON, False), "Account.created", "updated", id="told of before"),
        pytest.param(Row(ID, NOON, NOON - SECOND, False), "", "updated", id="there before it was looked"),
        pytest.param(Row(ID, NOON, NOON, True), "Account.updated", "deleted", id="gone"),
        pytest.param(Row(ID, NOON, NOON, False), "Account.deleted", "undeleted", id="there again"),
    ],
)
def test_what_is_found_is_called_as_the_bus_would_have_called_it(row: Row, newest: str, type_: str) -> None:
    known_of = Seen(Told.NO, newest, made=newest == "Account.created")

    assert known.change_of("Account", row, known_of, new_since=NOON) == f"Account.{type_}"


@pytest.mark.parametrize(
    ("fields", "made"),
    [
        ({}, True),
        ({"fate": "ignored", "fate_reason": "no flow handles Account.created"}, False),
        ({"kind": "Account.updated"}, False),
    ],
)
def test_who_was_told_that_a_record_was_made_is_known(pair: Pair, fields: dict[str, Any], made: bool) -> None:
    assert seen(pair, **({"kind": "Account.created"} | fields)).made is made
