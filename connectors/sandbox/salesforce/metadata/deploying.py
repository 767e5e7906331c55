"""This module deploys components to the org: all of them, or none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connectors.sandbox.salesforce import record_types
from connectors.sandbox.salesforce.bus.topics import CHANNEL, captured, entity_of, member_name
from connectors.sandbox.salesforce.fields import whole_object
from connectors.sandbox.salesforce.ids import DIGITS
from connectors.sandbox.salesforce.metadata.flow_files import flow_of, objects_of, subflows_of
from connectors.sandbox.salesforce.metadata.markup import Node, Unreadable
from connectors.sandbox.salesforce.metadata.objects import field_of, object_of, record_type_of
from connectors.sandbox.salesforce.metadata.rights import permission_set_of
from connectors.sandbox.salesforce.shapes import Shape
from connectors.sandbox.salesforce.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.sandbox.salesforce.deployments import Message
    from connectors.sandbox.salesforce.fields import Field, SObject
    from connectors.sandbox.salesforce.flows import Flow
    from connectors.sandbox.salesforce.metadata.archive import Component
    from connectors.sandbox.salesforce.org import Org
    from connectors.sandbox.salesforce.security import PermissionSet

ACTIVITY = "Activity"  # custom fields of tasks are fields of activities


@dataclass(slots=True)
class Stage:
    """What the org would be after the deployment."""

    org: Org
    objects: dict[str, SObject] = field(default_factory=dict)
    new_fields: dict[str, list[str]] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    sets: dict[str, PermissionSet] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)  # objects whose changes are told from now on
    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects = dict(self.org.objects)

    def tell(self, message: Message, *, created: bool) -> None:
        """Note that a component can be deployed."""
        message.created, message.changed = created, True
        self.messages.append(message)


def rehearse(org: Org, components: list[Component]) -> Stage:
    """Return what the org would be, with a message for each component and field; nothing is changed."""
    stage = Stage(org)
    files = [component for component in components if component.type == "CustomObject"]
    for component in files:
        _try(stage, component, lambda one: _add_object(stage, one))
    for component in files:
        _add_fields(stage, component)
    for component in files:
        _add_record_types(stage, component)
    for component in (each for each in components if each.type == "Flow"):
        _try(stage, component, lambda one: _add_flow(stage, one))
    for component in (each for each in components if each.type == "Flow" and each.name in stage.flows):
        _check_subflows(stage, component)
    for component in (each for each in components if each.type == "PlatformEventChannelMember"):
        _try(stage, component, lambda one: _add_channel_member(stage, one))
    for component in (each for each in components if each.type == "PermissionSet"):
        _try(stage, component, lambda one: _add_permission_set(stage, one))
    return stage


def _try(stage: Stage, component: Component, add: Callable[[Component], None]) -> None:
    try:
        add(component)
    except Unreadable as reason:
        stage.messages.append(component.message(str(reason)))


def _add_object(stage: Stage, component: Component) -> None:
    name = _actual(component.name)
    known = stage.objects.get(name)
    if known is None and not name.endswith(("__c", "__e")):
        raise Unreadable(f"Entity of type 'CustomObject' named '{name}' cannot be found")
    if known is not None and not (known.custom and component.listed):
        return  # an object that is there only lends its name to its new fields
    if not component.listed:
        raise Unreadable(f"Entity of type 'CustomObject' named '{name}' cannot be found")
    made = object_of(
        name, component.node, known.prefix if known else _prefix(stage, event=name.endswith("__e"))
    )
    # A custom object that is there keeps its fields, and takes labels and name field over.
    kept = (each for each in known.fields if each.custom or each.name == record_types.FIELD) if known else ()
    types = known.record_types if known else ()
    stage.objects[name] = whole_object(replace(made, fields=(*made.fields, *kept), record_types=types))
    if known is None:
        stage.new_fields.setdefault(name, [])
    stage.tell(component.message(), created=known is None)


def _prefix(stage: Stage, *, event: bool) -> str:
    """Return a key prefix that no object has."""
    taken = {thing.prefix for thing in stage.objects.values()}
    head = "e" if event else "a"
    return next(
        prefix for first in DIGITS for second in DIGITS if (prefix := f"{head}{first}{second}") not in taken
    )


def _add_fields(stage: Stage, component: Component) -> None:
    name = _actual(component.name)
    for node in component.node.all("fields"):
        named = f"{component.name}.{node.get('fullName')}"
        message = component.message(type_="CustomField", name=named)
        try:
            created = _add_field(stage, name, node)
        except Unreadable as reason:
            message.problem = str(reason)
            stage.messages.append(message)
        else:
            stage.tell(message, created=created)


def _add_field(stage: Stage, object_: str, node: Node) -> bool:
    """Add one field, or replace it, and say whether it is new."""
    thing = stage.objects.get(object_)
    if thing is None:
        raise Unreadable(f"Entity of type 'CustomObject' named '{object_}' cannot be found")
    made = field_of(node, stage.objects, event=thing.event)
    before = next((each for each in thing.fields if each.name == made.name), None)
    if before is not None and before.type != made.type:
        raise Unreadable(f"Cannot change the type of {made.name} from {before.type} to {made.type}")
    _check_child_relation(stage, thing, made)
    if before is not None:
        fields = tuple(made if each is before else each for each in thing.fields)
    else:
        place = next(i for i, each in enumerate(thing.fields) if each.name == "CreatedDate")
        fields = (*thing.fields[:place], made, *thing.fields[place:])
        stage.new_fields.setdefault(object_, []).append(made.name)
    stage.objects[object_] = replace(thing, fields=fields)
    return before is None


def _add_record_types(stage: Stage, component: Component) -> None:
    name = _actual(component.name)
    for node in component.node.all("recordTypes"):
        message = component.message(type_="RecordType", name=f"{component.name}.{node.get('fullName')}")
        thing = stage.objects.get(name)
        if thing is None:
            continue  # which was said of the object itself
        try:
            named, change = record_type_of(node, thing)
        except Unreadable as reason:
            message.problem = str(reason)
            stage.messages.append(message)
            continue
        created = named not in {each.name for each in thing.record_types}
        stage.objects[name], made = record_types.with_type(thing, named, stage.objects.values(), change)
        if created:
            stage.new_fields.setdefault(name, []).append(made.right)
        stage.tell(message, created=created)


def _check_child_relation(stage: Stage, thing: SObject, made: Field) -> None:
    """Refuse a look-up whose target already calls other records by the same name."""
    for target in made.refers_to:
        for other, field_ in _children(stage, target):
            if (other.name, field_.name) == (thing.name, made.name):
                continue
            if field_.custom and other.child_relation(field_) == thing.child_relation(made):
                raise Unreadable(f"There is already a Child Relationship named {made.children} on {target}.")


def _children(stage: Stage, target: str) -> Iterator[tuple[SObject, Field]]:
    for thing in stage.objects.values():
        for each in thing.fields:
            if target in each.refers_to:
                yield thing, each


def _add_flow(stage: Stage, component: Component) -> None:
    flow = flow_of(component.name, component.node)
    unknown = next((name for name in sorted(objects_of(flow)) if name not in stage.objects), None)
    if unknown is not None:
        raise Unreadable(f"The object {unknown} does not exist")
    stage.flows[flow.name] = flow
    stage.tell(component.message(), created=flow.name not in stage.org.flows.known)


def _check_subflows(stage: Stage, component: Component) -> None:
    known = {**stage.org.flows.known, **stage.flows}
    for name in subflows_of(stage.flows[component.name]) - set(known):
        stage.messages.append(component.message(f"The flow {name} does not exist"))


def _add_permission_set(stage: Stage, component: Component) -> None:
    made = permission_set_of(component.name, component.node, stage.objects)
    stage.sets[made.name] = made
    stage.tell(component.message(), created=made.name not in stage.org.security.sets)


def _add_channel_member(stage: Stage, component: Component) -> None:
    """
    Select an object for Change Data Capture, on the channel that every org has.

    https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_platformeventchannelmember.htm
    """
    channel, entity = component.node.get("eventChannel"), component.node.get("selectedEntity")
    if channel != CHANNEL:
        raise Unreadable(f"The sandbox knows no channel {channel or '(none)'} for its members")
    named = {entity_of(thing): thing for thing in stage.objects.values() if captured(thing)}
    if entity not in named:
        raise Unreadable(f"The entity {entity or '(none)'} can't be selected for the channel {channel}.")
    if component.name != member_name(entity):
        raise Unreadable(f"The full name of the member is {member_name(entity)}, not {component.name}")
    thing = named[entity]
    created = not stage.org.streaming.selects(thing.name)
    stage.captured.add(thing.name)
    stage.tell(component.message(), created=created)


def _actual(name: str) -> str:
    return "Task" if name == ACTIVITY else name


def apply(stage: Stage) -> None:
    """Make the org what the rehearsal said; what is new is seen through permission sets only."""
    org = stage.org
    prefixes = {name: thing.prefix for name, thing in stage.objects.items()}
    for name, thing in stage.objects.items():
        table = org.tables.get(name)
        if table is None:
            org.tables[name] = Table(Shape(_related(name, thing, stage), prefixes))
        elif thing is not org.objects[name] or name == "Task":
            table.reshape(Shape(_related(name, thing, stage), prefixes))
    for flow in stage.flows.values():
        org.flows.add(flow)
    org.security.sets.update(stage.sets)
    org.streaming.select(stage.captured)
    for name, fields in stage.new_fields.items():
        # Field security is not for events: whoever may see one sees all of it.
        guarded = [] if stage.objects[name].event else fields
        org.security.guard(name, guarded, whole=name not in org.objects)
    org.note_schema()
    org.seat_setup()


def _related(name: str, thing: SObject, stage: Stage) -> SObject:
    """Let tasks be about records of every custom object."""
    if name != "Task":
        return thing
    about = tuple(each.name for each in stage.objects.values() if each.custom and not each.event)
    return replace(
        thing,
        fields=tuple(
            replace(each, refers_to=tuple(dict.fromkeys((*each.refers_to, *about))))
            if each.name == "WhatId"
            else each
            for each in thing.fields
        ),
    )
