"""What Stripe's objects consist of is read out of the SDK's source, and only when somebody asks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from connectors.stripe import schema
from connectors.stripe.moved import MOVED
from flows import subjects
from integrator.kernel.paths import compile_path

# Events of accounts and of old payment sources name no type: the object itself does.
BY_THEIR_OBJECT = ("account.external_account.", "customer.source.")


def field(kind: str, path: str, expand: tuple[str, ...] = ()) -> schema.StripeField:
    return next(one for one in schema.fields_of(kind, expand) if one.path == path)


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("charge", "amount", "amount"),
        ("charge", "amount_refunded", "amount"),
        ("charge", "created", "timestamp"),
        ("charge", "currency", "currency"),
        ("charge", "status", "enum"),
        ("charge", "captured", "boolean"),
        ("charge", "metadata", "map"),
        ("charge", "id", "id"),
        ("charge", "customer", "id"),
        ("charge", "customer.id", "id"),
        ("charge", "billing_details", "object"),
        ("charge", "billing_details.email", "string"),
        ("charge", "billing_details.address.postal_code", "string"),
        ("charge", "payment_method_details.card.last4", "string"),
        ("charge", "payment_method_details.card.exp_month", "integer"),
        ("charge", "refunds", "list"),
        ("charge", "refunds.data[0].amount", "amount"),
        ("payment_intent", "last_payment_error.payment_method.card.brand", "string"),
        ("payment_intent", "amount_received", "amount"),
        ("balance_transaction", "fee", "amount"),
        ("balance_transaction", "exchange_rate", "number"),
        ("balance_transaction", "fee_details[0].amount", "amount"),
        ("balance_transaction", "available_on", "timestamp"),
        ("subscription", "items.data[0].current_period_end", "timestamp"),
        ("subscription", "items.data[0].price.unit_amount", "amount"),
        ("subscription", "cancel_at_period_end", "boolean"),
        ("invoice", "due_date", "timestamp"),
        ("invoice", "attempt_count", "integer"),
        ("invoice", "lines.data[0].period.end", "timestamp"),
        ("dispute", "evidence_details.due_by", "timestamp"),
        ("payout", "arrival_date", "timestamp"),
        ("price", "unit_amount_decimal", "number"),
        ("price", "recurring.interval_count", "integer"),
        ("customer", "balance", "amount"),
        ("customer", "name", "string"),
        ("checkout.session", "amount_total", "amount"),
    ],
)
def test_a_field_has_the_type_that_its_annotation_and_text_say(kind, path, expected):
    assert field(kind, path).type == expected


def test_a_field_brings_its_text_values_and_whether_it_may_be_empty():
    status, customer = field("charge", "status"), field("charge", "customer")

    assert status.values == ("failed", "pending", "succeeded")
    assert status.open
    assert not status.nullable
    assert customer.expands == ("customer",)
    assert customer.nullable
    assert "https://" not in field("charge", "metadata").text
    assert field("charge", "source").deprecated


def test_a_reference_is_gone_into_where_it_is_expanded():
    paths = {one.path for one in schema.fields_of("charge", ("balance_transaction",))}

    assert {"balance_transaction", "balance_transaction.fee", "balance_transaction.currency"} <= paths
    assert "balance_transaction.id" in paths
    assert "balance_transaction.fee" not in {one.path for one in schema.fields_of("charge")}


def test_references_are_expanded_inside_of_lists_and_of_each_other():
    product = {one.path for one in schema.fields_of("subscription", ("items.data.price.product",))}
    fee = {one.path for one in schema.fields_of("payment_intent", ("latest_charge.balance_transaction",))}

    assert "items.data[0].price.product.name" in product
    assert {"latest_charge.amount", "latest_charge.balance_transaction.fee"} <= fee
    assert len(fee) == len(schema.fields_of("payment_intent", ("latest_charge.balance_transaction",)))


@pytest.mark.parametrize(
    "kind", ["account", "checkout.session", "invoice", "payment_intent", "subscription", "tax_id"]
)
def test_an_object_is_read_within_bounds(kind):
    fields = schema.fields_of(kind)

    paths = [one.path for one in fields if not one.removed]
    assert len(paths) == len(set(paths))
    assert len(fields) < schema.MOST_FIELDS
    assert all(compile_path(f"{kind.replace('.', '_')}.{path}") for path in paths)


def test_an_unknown_object_is_refused_in_words():
    with pytest.raises(schema.NoSuchObject, match="no objects of type 'chargé'"):
        schema.fields_of("chargé")


@pytest.mark.parametrize(
    ("kind", "path", "instead"), [(k, *one) for k, of in MOVED.items() for one in of.items()]
)
def test_what_has_moved_is_gone_and_its_new_place_is_there(kind, path, instead):
    fields = schema.fields_of(kind)

    live = {one.path for one in fields if not one.removed}
    assert path not in live
    assert instead in live
    assert any(one.path == path and one.removed == instead for one in fields)


def test_every_type_of_event_leads_to_an_object_that_can_be_read():
    kinds = [kind for kind in schema.event_types() if not kind.startswith(BY_THEIR_OBJECT)]

    assert len(kinds) > 250
    assert {subjects.object_of(kind) for kind in kinds} <= set(schema.objects())


def test_nothing_is_read_and_no_sdk_loaded_before_somebody_asks():
    code = (
        "import sys, json; import connectors.stripe.schema as schema;"
        "before = 'stripe' in sys.modules, schema.objects.cache_info().currsize;"
        "schema.fields_of('charge');"
        "print(json.dumps([*before, 'stripe' in sys.modules]))"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)

    assert json.loads(told.stdout) == [False, 0, False]


def test_the_release_says_which_version_of_the_api_is_described():
    release = schema.release()

    assert release.api.startswith("20")
    assert release.sdk in str(release)
