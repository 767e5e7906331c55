"""
This module knows the attributes that newer versions of Stripe's API have no more, and what took their place.

Sources: https://docs.stripe.com/changelog and https://docs.stripe.com/upgrades, by version.
"""

from __future__ import annotations

from collections.abc import Mapping

# Type of the object -> attribute that is gone -> where the same is said now, within the same object.
MOVED: Mapping[str, Mapping[str, str]] = {
    # 2022-11-15
    "payment_intent": {"charges": "latest_charge"},
    # 2025-03-31.basil
    "subscription": {
        "current_period_start": "items.data[0].current_period_start",
        "current_period_end": "items.data[0].current_period_end",
        "discount": "discounts[0]",
    },
    "invoice": {
        "charge": "payments.data[0].payment.charge",
        "payment_intent": "payments.data[0].payment.payment_intent",
        "paid": "status",
        "subscription": "parent.subscription_details.subscription",
        "subscription_details": "parent.subscription_details",
        "quote": "parent.quote_details.quote",
        "discount": "discounts[0]",
        "tax": "total_taxes[0].amount",
        "total_tax_amounts": "total_taxes",
    },
    "line_item": {
        "price": "pricing.price_details.price",
        "subscription_item": "parent.subscription_item_details.subscription_item",
        "invoice_item": "parent.invoice_item_details.invoice_item",
        "proration": "parent.subscription_item_details.proration",
        "tax_amounts": "taxes",
    },
    "credit_note": {"tax_amounts": "total_taxes"},
    # 2025-09-30.clover
    "discount": {"coupon": "source.coupon"},
    "promotion_code": {"coupon": "promotion.coupon"},
}
