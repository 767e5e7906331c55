"""This module names the topics of the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.fields import SObject

CHANNEL = "ChangeEvents"  # the channel whose members are the objects that are captured
ALL_CHANGES = f"/data/{CHANNEL}"


def topic_of(thing: SObject) -> str:
    """
    Return the topic of a platform event, or of the changes of an object.

    https://developer.salesforce.com/docs/platform/pub-sub-api/references/methods/subscribe-rpc.html
    """
    return f"/event/{thing.name}" if thing.event else f"/data/{entity_of(thing)}"


def entity_of(thing: SObject) -> str:
    """Return the name of the event that tells of the changes of an object."""
    return f"{thing.name.removesuffix('c') if thing.custom else thing.name}ChangeEvent"


def member_name(entity: str) -> str:
    """Return what the member of the channel is called that selects an entity; no name has two underscores."""
    return f"{CHANNEL}_{entity.replace('__', '_')}"


def captured(thing: SObject) -> bool:
    """Say whether the changes of an object can be captured."""
    return not (thing.event or thing.read_only)
