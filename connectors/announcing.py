"""This module publishes platform events by which the product itself tells something in an org."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors import gateway
from connectors.models import Connection
from integrator.kernel.errors import IntegrationError

DEADLINE = 10.0


def publish(connection: Connection, *, event: str, values: Mapping[str, Any]) -> str:
    """
    Publish `event` with `values` by `connection`, and return the id that Salesforce gave it.

    :raises IntegrationError: if Salesforce refuses it, cannot be reached, or the connection rests
    :raises RuntimeError: inside a transaction
    """
    (result,) = gateway.call_many(
        connection_id=connection.pk,
        action="publish",
        requests=[{"event": event, "values": dict(values)}],
        deadline=DEADLINE,
    )
    if isinstance(result, IntegrationError):
        raise result
    return str(result.get("id", "")) if isinstance(result, Mapping) else ""
