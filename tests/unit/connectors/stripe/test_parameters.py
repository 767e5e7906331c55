"""What may be written in Stripe is what its own SDK says of its parameters."""

from __future__ import annotations

from typing import get_args

import pytest

from connectors.stripe import parameters, schema
from connectors.stripe.operations import ACTS, CREATIONS, MARKER, UPDATES
from connectors.stripe.places import FILTERS, PLACES
from flows.steps.act_in_stripe import What
from flows.steps.create_in_stripe import Created
from flows.steps.find_in_stripe import Found
from flows.steps.update_in_stripe import Changed

EVERY = [
    pytest.param(operation, id=f"{table}-{name}")
    for table, operations in (("create", CREATIONS), ("update", UPDATES), ("act", ACTS))
    for name, operation in operations.items()
]


@pytest.mark.parametrize("operation", EVERY)
def test_the_sdk_knows_every_parameter_that_a_write_names(operation):
    known = {parameters.first(path) for path in parameters._read(operation.params)}
    named = {name for group in operation.needs for name in group}

    assert named | operation.only | operation.without | operation.fixed.keys() <= known
    assert operation.type in PLACES
    assert PLACES[operation.type] == operation.path.split("/")[2]


@pytest.mark.parametrize("creation", CREATIONS.values(), ids=lambda one: one.type)
def test_what_was_created_can_be_found_in_its_list_again(creation):
    assert set(creation.narrowed_by) | creation.listed.keys() <= FILTERS[creation.type].keys()
    assert parameters.find(creation, f"metadata.{MARKER}") is not None


@pytest.mark.parametrize("act", [act for act in ACTS.values() if act.done], ids=lambda act: act.label)
def test_what_tells_that_it_was_done_is_a_field_of_the_object(act):
    field, values = act.done
    known = {one.path: one for one in schema.fields_of(act.type)}

    assert field in known
    if known[field].values:
        assert values <= {*known[field].values, None}


def test_the_step_kinds_offer_what_there_is():
    assert set(get_args(Created)) == set(CREATIONS)
    assert set(get_args(Changed)) == set(UPDATES)
    assert set(get_args(What)) == set(ACTS)
    assert set(get_args(Found)) <= set(PLACES)


@pytest.mark.parametrize(
    ("type", "path", "wanted"),
    [
        ("customer", "address.city", "string"),
        ("price", "unit_amount", "amount"),
        ("price", "unit_amount_decimal", "number"),
        ("price", "currency", "currency"),
        ("price", "recurring.interval", "enum"),
        ("subscription", "items[3].quantity", "integer"),
        ("subscription", "trial_end", "timestamp"),
        ("invoice", "auto_advance", "boolean"),
        ("refund", "metadata.case", "string"),
    ],
)
def test_parameters_have_the_types_of_the_sdk(type, path, wanted):
    found = parameters.find(CREATIONS[type], path)

    assert found is not None
    assert found.type == wanted


def test_words_are_told_and_whether_others_may_be_given():
    interval = parameters.find(CREATIONS["price"], "recurring.interval")
    reason = parameters.find(CREATIONS["refund"], "reason")
    end = parameters.find(CREATIONS["subscription"], "trial_end")

    assert interval is not None
    assert "month" in interval.values
    assert reason is not None
    assert (reason.values, reason.open) == (("duplicate", "fraudulent", "requested_by_customer"), True)
    assert end is not None
    assert end.values == ("now",)


@pytest.mark.parametrize(
    ("type", "given", "said"),
    [
        ("customer", ["nmae"], "is name meant"),
        ("customer", ["address"], "address.city"),
        ("invoice", ["payment_settings.payment_method_options.blik"], "give those; Stripe needs"),
        ("customer", ["stripe_account"], "no parameter"),
        ("price", ["currency", "product"], "unit_amount"),
        ("price", ["product", "unit_amount"], "Stripe needs currency"),
        ("subscription", ["customer"], "items"),
        ("payment_link", ["line_items[0].price"], "line_items[0].quantity"),
        ("refund", ["charge", "origin"], "no parameter origin"),
    ],
)
def test_what_is_missing_or_unknown_is_told(type, given, said):
    assert said in "; ".join(parameters.faults(CREATIONS[type], given))


@pytest.mark.parametrize(
    ("type", "given"),
    [
        ("customer", ["name", "address.line1", "metadata.any", "preferred_locales[0]"]),
        ("price", ["currency", "product", "unit_amount", "recurring.interval"]),
        ("subscription", ["customer", "items[0].price", "items[1].price", "items[1].quantity"]),
    ],
)
def test_what_stripe_takes_has_no_faults(type, given):
    assert parameters.faults(CREATIONS[type], given) == []
