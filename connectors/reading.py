"""
This module reads from connected systems for those who must never change anything there, such as trials.

Whatever a connector's table says to write is refused before the gateway is asked, and so is what it does not
know. Who imports this module and not the gateway has no other way out.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors import gateway, registry
from connectors.base import Params, Result
from connectors.budgets import share_of
from connectors.models import Connection


class WouldWrite(Exception):
    """The action may change something at the other side."""


def is_reading(system: str, action: str) -> bool:
    """Tell whether `action` of `system` is known to change nothing there."""
    connector = registry.load().get(system)
    known = connector.actions.get(action) if connector is not None else None
    return known is not None and not known.writes


def can_spare(connection: Connection, *, points: float) -> bool:
    """
    Tell whether a connection works, and has calls left for what is not urgent.

    That is as long as more than `points` percent of the org's calls are left of those that are ours.
    """
    if connection.state != Connection.State.ACTIVE:
        return False
    if not connection.api_limit or connection.api_used is None:
        return True
    share = share_of(connection) - points
    return connection.api_used * 100 < connection.api_limit * share


def read_many(
    *, connection_id: int, action: str, requests: Sequence[Params], deadline: float
) -> list[Result]:
    """
    Ask the connection's system as `gateway.call_many` does, for actions that only read.

    :raises WouldWrite: if the action is not known to change nothing; nothing was asked then
    :raises RuntimeError: inside a transaction
    :raises Connection.DoesNotExist: if there is no such connection
    """
    system = Connection.objects.values_list("system", flat=True).get(pk=connection_id)
    if not is_reading(system, action):
        raise WouldWrite(f"{action} of {system} may change something there.")
    return gateway.call_many(connection_id=connection_id, action=action, requests=requests, deadline=deadline)
