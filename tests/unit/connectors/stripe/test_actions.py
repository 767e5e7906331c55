"""Every type that may be read is read where Stripe's own SDK would read it."""

from __future__ import annotations

import pytest
import stripe

from connectors.stripe.actions import ACTIONS, Stripe
from connectors.stripe.client import API_VERSION
from connectors.stripe.places import PLACES
from connectors.stripe.roots import reading_of, root_of

CLASSES = {
    "checkout.session": stripe.checkout.Session,
    "invoiceitem": stripe.InvoiceItem,
    **{
        kind: getattr(stripe, "".join(word.title() for word in kind.split("_")))
        for kind in PLACES
        if kind not in ("checkout.session", "invoiceitem")
    },
}


@pytest.mark.parametrize("kind", PLACES)
def test_the_place_of_a_type_is_the_sdks(kind):
    sdk = CLASSES[kind]

    assert (sdk.OBJECT_NAME, sdk.class_url()) == (kind, f"/v1/{PLACES[kind]}")


@pytest.mark.parametrize("kind", PLACES)
def test_every_root_can_be_read(kind):
    assert reading_of(root_of({"object": kind, "id": "x"}).type)[0] in PLACES


def test_every_action_is_declared_and_done():
    assert set(ACTIONS) == set(Stripe.actions)


def test_the_pinned_version_is_the_one_that_the_sdk_describes():
    assert stripe.api_version == API_VERSION
