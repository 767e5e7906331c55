"""This module says what flows want of an org, and which of them wants what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Flows = tuple[str, ...]  # the names of flows


@dataclass(frozen=True, slots=True)
class Wanted:
    """What some flows need at the other side; everything that is named has the flows that need it."""

    flows: Flows = ()
    objects: Mapping[str, Flows] = field(default_factory=dict)  # that are named at all
    fields: Mapping[tuple[str, str], Flows] = field(default_factory=dict)  # object and field
    written: Mapping[str, Flows] = field(default_factory=dict)  # objects whose records are written
    filled: frozenset[tuple[str, str]] = frozenset()  # fields that are written
    captured: Mapping[str, Flows] = field(default_factory=dict)  # objects whose changes start a flow
    heard: Mapping[str, Flows] = field(default_factory=dict)  # platform events that start a flow
    published: Mapping[str, Flows] = field(default_factory=dict)  # platform events that are published
    effects: Flows = ()  # flows that act through a record that a Flow of the package acts upon
    record_types: Mapping[tuple[str, str], Flows] = field(default_factory=dict)  # object and name
    billing: tuple[int, ...] = ()  # the connections to Stripe that the flows work with


def entity_of(name: str) -> str:
    """
    Return the name of the event that tells of the changes of an object.

    https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_platformeventchannelmember.htm
    """
    return f"{name.removesuffix('c') if name.endswith('__c') else name}ChangeEvent"
