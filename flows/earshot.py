"""This module sees to it that an org is heard where a flow goes live that the org starts."""

from __future__ import annotations

from datetime import datetime

from connectors.models import Connection, Topic
from flows import captures
from flows.engine.trigger import ChangeTrigger, EventTrigger, StripeTrigger, Trigger
from flows.models import PolledObject
from integrator.accounts import audit

EVERY_CHANGE = "/data/ChangeEvents"
_OWN_CHANNEL = "__chn"


def topic_of(*, object: str = "", event: str = "") -> str:
    """Return the topic at which an org tells of changes of `object`, or of the platform event `event`."""
    return f"/event/{event}" if event else f"/data/{captures.event_of(object)}"


def is_heard(connection: Connection, *, object: str = "", event: str = "") -> bool:
    """
    Tell whether either comes from the org, by a topic or because the object is asked for.

    What a channel of the org's own brings is not known from here: it is taken to bring this as well.
    """
    heard = {topic.lower() for topic in connection.topics.values_list("name", flat=True)}
    if topic_of(object=object, event=event).lower() in heard:
        return True
    if event:
        return False
    if EVERY_CHANGE.lower() in heard or any(topic.endswith(_OWN_CHANNEL) for topic in heard):
        return True
    return PolledObject.objects.filter(connection=connection, object__iexact=object).exists()


def listen(connection: Connection, trigger: Trigger, *, actor: str, now: datetime) -> str:
    """
    Hear from now on what starts a flow, in the caller's transaction; return the topic that was added, if any.

    Whoever lets such a flow go live has said that the org is to be heard.
    """
    if isinstance(trigger, StripeTrigger):
        return ""
    object_ = trigger.object if isinstance(trigger, ChangeTrigger) else ""
    event = trigger.event if isinstance(trigger, EventTrigger) else ""
    # Whoever chooses topics, or has objects asked for, holds it too, so that nothing is heard twice.
    Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    if is_heard(connection, object=object_, event=event):
        return ""
    name = topic_of(object=object_, event=event)
    _, is_new = Topic.objects.get_or_create(connection=connection, name=name, defaults={"created_at": now})
    if not is_new:
        return ""
    environment = connection.environment
    audit.record(
        workspace=environment.workspace,
        actor=actor,
        action="topic.chosen",
        target=f"{environment.slug}/{connection.name}",
        details={"connection": connection.public_id, "topic": name, "for": "a flow that it starts"},
        now=now,
    )
    return name
