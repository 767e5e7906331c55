"""
This module lists the connectors.

An installed package adds one by an entry point of the group `integrator.connectors` that names its class.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

from connectors.base import Connector
from connectors.salesforce.actions import Salesforce
from connectors.stripe.actions import Stripe

GROUP = "integrator.connectors"
OURS: tuple[type[Connector], ...] = (Stripe, Salesforce)


@lru_cache(maxsize=1)
def load() -> dict[str, Connector]:
    """
    Return every connector by slug.

    :raises ValueError: if two connectors claim the same slug
    """
    connectors: dict[str, Connector] = {}
    for kind in (*OURS, *(point.load() for point in entry_points(group=GROUP))):
        if kind.slug in connectors:
            raise ValueError(f"Two connectors are called {kind.slug!r}")
        connectors[kind.slug] = kind()
    return connectors
