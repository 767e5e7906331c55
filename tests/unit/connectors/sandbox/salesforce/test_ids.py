"""This module tests record ids of 15 and 18 characters."""

from __future__ import annotations

import pytest

from connectors.sandbox.salesforce.ids import checksum, full_id, new_id


@pytest.mark.parametrize(
    ("id15", "id18"),
    [
        pytest.param("001D000000IRFma", "001D000000IRFmaIAH", id="an account of the REST guide"),
        pytest.param("003D000000QV9n2", "003D000000QV9n2IAD", id="a contact of the REST guide"),
        pytest.param("012000000000000", "012000000000000AAA", id="the master record type"),
    ],
)
def test_the_checksum_is_that_of_salesforce(id15, id18):
    assert id15 + checksum(id15) == id18
    assert full_id(id15) == full_id(id18) == id18


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("001D000000IRFmaIAG", id="wrong checksum"),
        pytest.param("001d000000IRFmaIAH", id="lost case"),
        pytest.param("001D000000IRFm", id="short"),
        pytest.param("001D000000IRFmaI", id="between"),
        pytest.param("001D000000IRF-a", id="sign"),
        pytest.param("001D000000IRFma\n", id="line end"),
        pytest.param(None, id="nothing"),
        pytest.param(15, id="number"),
    ],
)
def test_what_is_no_id(text):
    assert full_id(text) is None


def test_ids_are_their_objects_own_and_never_twice_the_same_without_case():
    ids = [new_id("a01", number) for number in range(5_000)]

    assert len({text.lower() for text in ids}) == 5_000
    assert all(full_id(text) == text and text.startswith("a01") for text in ids)
