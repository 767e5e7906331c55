"""This module tests that a body which intake took is read with the same eyes later."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flows import payloads
from integrator import vault


def opened(body: bytes) -> dict:
    return payloads.open_body(vault.seal(body, owner="event:1"), connection_id=1)


def test_fractions_stay_exact():
    assert opened(b'{"rate": 0.1}')["rate"] == Decimal("0.1")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'\xef\xbb\xbf{"name": "x"}', id="a byte order mark"),
        pytest.param(b'{"name": "x\\ud800"}', id="a lone surrogate"),
        pytest.param(b'{"name": "x\\u0000"}', id="a NUL"),
    ],
)
def test_what_intake_could_read_can_be_read_again(body):
    assert opened(body)["name"].startswith("x")


def test_a_body_that_is_no_object_is_unreadable_and_says_why():
    with pytest.raises(payloads.Unreadable, match="not an object"):
        opened(b"[]")


def test_a_body_of_another_connection_is_not_opened():
    with pytest.raises(payloads.Unreadable) as refusal:
        payloads.open_body(vault.seal(b"{}", owner="event:2"), connection_id=1)

    assert refusal.value.sealed
