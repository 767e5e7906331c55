"""This module asks the event bus what a topic is, and whether it may be heard."""

from __future__ import annotations

from connectors import outbound
from connectors.base import Answer, Params
from connectors.salesforce.client import Org


def topic(org: Org, params: Params) -> Answer:
    """
    Return `topic`, the name, with `schema_id` and whether the user `can_subscribe`.

    :raises Expired: if a new session is needed
    :raises IntegrationError: if there is no such topic, or it may not be known
    """
    bus = org.bus()
    try:
        told = bus.topic(str(params.get("topic") or ""), seconds=outbound.seconds_left())
    finally:
        bus.close()
    return {"topic": told.name, "schema_id": told.schema_id, "can_subscribe": told.can_subscribe}
