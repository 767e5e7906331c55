"""Paths find what stands in the data, and nothing else."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.kernel.paths import MISSING, BadPath, compile_path, quote

CHARGE = {
    "charge": {
        "amount": 0,
        "failure_code": None,
        "balance_transaction": "txn_1",
        "metadata": {"order.id": "O-1", 'a"b': "quoted", "__class__": "a key", "a\\b": "slash", "": "none"},
        "refunds": {"data": [{"id": "re_1"}, {"id": "re_2"}]},
    }
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("charge.amount", 0, id="a name in an object"),
        pytest.param('charge.metadata["order.id"]', "O-1", id="a key with a dot"),
        pytest.param('charge.metadata["a\\"b"]', "quoted", id="a key with a quote"),
        pytest.param('charge.metadata["a\\\\b"]', "slash", id="a key with a backslash"),
        pytest.param('charge.metadata[""]', "none", id="an empty key"),
        pytest.param("charge.refunds.data[1].id", "re_2", id="an item of a list"),
        pytest.param("charge.metadata.__class__", "a key", id="a dunder is a key"),
        pytest.param("charge.failure_code", None, id="null is a value"),
        pytest.param("charge.failure_code.inside", None, id="inside of null is null"),
        pytest.param("charge.nothing", MISSING, id="a key that is not there"),
        pytest.param("charge.__class__", MISSING, id="no attribute is a key"),
        pytest.param("charge.refunds.data[2].id", MISSING, id="behind the end of a list"),
        pytest.param("charge.balance_transaction.fee", MISSING, id="an id is not the object"),
        pytest.param("charge.balance_transaction[0]", MISSING, id="text is not a list"),
        pytest.param("charge.refunds[0]", MISSING, id="an object is not a list"),
        pytest.param("charge.refunds.data.append", MISSING, id="a list has no names"),
        pytest.param("payment_intent.id", MISSING, id="another root"),
    ],
)
def test_a_path_reads_what_stands_there(path, value):
    assert compile_path(path).read(CHARGE) is value or compile_path(path).read(CHARGE) == value


@pytest.mark.parametrize(
    "text",
    ["", ".a", "a.", "a..b", "a b", "a[", "a[-1]", "a[01]", "a[x]", 'a["x]', "[0].a", 'a"b"', "a[0]b"],
)
def test_what_is_no_path_is_refused(text):
    with pytest.raises(BadPath):
        compile_path(text)


@pytest.mark.parametrize("text", ["a" * 501, ".".join("a" * 17)], ids=["too long", "too deep"])
def test_a_path_has_bounds(text):
    with pytest.raises(BadPath):
        compile_path(text)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        pytest.param("charge.amount", True, id="a value"),
        pytest.param("charge.failure_code", True, id="null"),
        pytest.param("charge.failure_code.inside", True, id="inside of null"),
        pytest.param("charge.nothing", True, id="a charge without it"),
        pytest.param("payment_intent.id", False, id="no such object in the event"),
        pytest.param("charge.balance_transaction.fee", False, id="an object that was not expanded"),
    ],
)
def test_a_path_tells_whether_anything_was_said_about_it(path, known):
    assert compile_path(path).is_known(CHARGE) is known


@given(st.text(max_size=40))
def test_any_key_can_be_written_as_a_path(key):
    path = compile_path(f"metadata{quote(key)}")

    assert path.read({"metadata": {key: "found"}}) == "found"
    assert path.read({"metadata": {}}) is MISSING


@given(st.text(alphabet=string.printable + "\x00\ud800é💳", max_size=60))
def test_any_text_is_a_path_or_is_named_as_none(text):
    try:
        path = compile_path(text)
    except BadPath:
        return

    assert path.read({}) is MISSING
    assert path.read(None) in (None, MISSING)
