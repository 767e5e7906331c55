"""Whatever comes in, a mapping is exact, repeatable, and never fails without a name."""

from __future__ import annotations

import copy
import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from flows.mapping.apply import compile_mapping
from flows.mapping.failure import MappingFailed
from flows.mapping.spec import Mapping
from flows.recipes import catalogue
from integrator.kernel import canonical
from integrator.kernel.money import CURRENCIES, to_minor
from integrator.kernel.paths import quote

HOSTILE = st.sampled_from(
    ["", "\x00", "\ud800", "__proto__", "__class__", "a.b", 'a"b', "a\\b", "]", "[0]", "{field}", "%s",
     "💳" * 300, "<script>alert(1)</script>", "' OR Id != '", "\u202eevil", "e" + "\u0301" * 400]
)  # fmt: skip
TEXT = st.text(max_size=30) | HOSTILE
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
PAYMENTS = compile_mapping(Mapping.model_validate(catalogue.load("payments").document.steps[0].settings))
CHARGE = catalogue.samples("payments")["charge_succeeded"].event["data"]["object"]
AMOUNT = compile_mapping(
    Mapping.model_validate(
        {
            "target": "X",
            "lines": [
                {"field": "A", "from": "charge.a", "chips": [{"chip": "money", "currency": "charge.c"}]}
            ],
        }
    )
)


@given(currency=st.sampled_from(sorted(CURRENCIES)), amount=st.integers(-(10**20), 10**20))
def test_money_comes_back_as_it_went(currency, amount):
    amount -= amount % CURRENCIES[currency].step

    (major,) = AMOUNT.apply({"charge": {"a": amount, "c": currency.lower()}}).record.values()

    assert isinstance(major, Decimal)
    assert to_minor(major, currency) == amount


@given(st.dictionaries(st.sampled_from(sorted(CHARGE)), JSON, max_size=6), JSON)
def test_a_mapping_gives_a_record_or_names_the_field(changes, metadata):
    charge = {**CHARGE, **changes, "metadata": metadata}

    record, failed = record_or_failure({"charge": charge, "event": {"livemode": False}})

    assert failed is None or failed.field in {line.field for line in PAYMENTS.lines}
    assert all(value is None or isinstance(value, str | bool | int | Decimal) for value in record.values())
    canonical.dumps(record).decode("utf-8")


# A document cannot hold a lone surrogate: reading it says so.
@given(TEXT.filter(lambda key: 0 < len(key) <= 40 and key != "\ud800"), st.text(min_size=1))
def test_any_metadata_key_can_be_mapped(key, value):
    lines = [
        {"field": "A", "chips": [{"chip": "metadata", "of": "charge", "key": key}]},
        {"field": "B", "from": f"charge.metadata{quote(key)}"},
    ]
    mapping = compile_mapping(Mapping.model_validate({"target": "X", "lines": lines}))

    record = mapping.apply({"charge": {"metadata": {key: value}}}).record

    assert record["A"] == record["B"]
    assert len(record["A"]) == len(value)


@given(st.dictionaries(st.sampled_from(sorted(CHARGE)), JSON, max_size=4))
def test_the_same_input_gives_the_same_bytes(changes):
    context = {"charge": {**CHARGE, **changes}, "event": {"livemode": False}}

    assert outcome_bytes(context) == outcome_bytes(copy.deepcopy(context))


def record_or_failure(context):
    try:
        return PAYMENTS.apply(context).record, None
    except MappingFailed as failed:
        return {}, failed


def outcome_bytes(context):
    try:
        mapped = PAYMENTS.apply(context)
    except MappingFailed as failed:
        return json.dumps([failed.field, failed.code, str(failed)])
    return canonical.dumps([mapped.record, [list(note) for note in mapped.notes]])
