"""This module says which topics there are, what they carry, and who may subscribe to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.sandbox.salesforce.bus.topics import ALL_CHANGES, captured, topic_of
from connectors.sandbox.salesforce.pubsub.refusals import Unserved

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.fields import SObject
    from connectors.sandbox.salesforce.oauth import User
    from connectors.sandbox.salesforce.org import Org


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as a user sees it; without an object it is a channel of changes of several."""

    name: str
    object: SObject | None
    can_publish: bool
    can_subscribe: bool


def find(org: Org, user: User, name: str) -> Topic:
    """
    Return the topic of that name as `user` sees it.

    :raises Unserved: if there is none, or the user may not see what it carries
    """
    if not name:
        raise Unserved("topic.validation.empty", "The topic name can't be blank.")
    open_ = name not in org.streaming.refused
    if name == ALL_CHANGES or name in org.streaming.channels:
        return Topic(name, None, can_publish=False, can_subscribe=open_)
    for thing in list(org.objects.values()):
        if topic_of(thing) == name and (thing.event or captured(thing)):
            break
    else:
        raise Unserved("topic.not.found", f"The topic {name[:200]} doesn't exist.")
    seen = org.security.seen_by(user, org.tables).get(thing.name)
    if seen is None:
        raise Unserved("topic.meta.permission", f"You don't have permission to access the topic {name}.")
    publishes = thing.event and not seen.shape.object.read_only
    return Topic(name, thing, can_publish=publishes, can_subscribe=open_)


def find_to_subscribe(org: Org, user: User, name: str) -> Topic:
    """
    Return the topic of that name, for a subscription.

    :raises Unserved: if there is none, or the user may not subscribe to it
    """
    topic = find(org, user, name)
    if not topic.can_subscribe:
        message = f"You don't have permission to subscribe to the topic {name}."
        raise Unserved("subscription.topic.cannot.subscribe", message)
    return topic
