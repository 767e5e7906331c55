"""This module signs what is delivered, by Stripe's scheme (https://docs.stripe.com/webhooks/signature)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def signature_header(body: bytes, secrets: Iterable[str], *, now: int) -> str:
    """
    Return the Stripe-Signature of a body: one `v1` for each secret that is valid now.

    A `v0` that matches nothing comes along, as in Stripe's test mode: nobody may accept it.
    """
    signed = str(now).encode() + b"." + body
    entries = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    decoy = hashlib.sha256(signed).hexdigest()
    return ",".join([f"t={now}", *entries, f"v0={decoy}"])
