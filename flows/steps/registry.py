"""This module lists the step kinds."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from flows.steps.act_in_stripe import ActInStripe
from flows.steps.alert import Alert
from flows.steps.approval import Approval
from flows.steps.ask import Ask
from flows.steps.base import StepKind
from flows.steps.condition import Condition
from flows.steps.convert import Convert
from flows.steps.create import Create
from flows.steps.create_in_stripe import CreateInStripe
from flows.steps.debounce import Debounce
from flows.steps.filter import Filter
from flows.steps.find import Find
from flows.steps.find_in_stripe import FindInStripe
from flows.steps.for_each import ForEach
from flows.steps.list_in_stripe import ListInStripe
from flows.steps.list_records import ListRecords
from flows.steps.map import Map
from flows.steps.parallel import Parallel
from flows.steps.publish import Publish
from flows.steps.query import Query
from flows.steps.recognise import Recognise
from flows.steps.retrieve import Retrieve
from flows.steps.scope import Scope
from flows.steps.start_flow import StartFlow
from flows.steps.stop import Stop
from flows.steps.sub_flow import SubFlow
from flows.steps.switch import Switch
from flows.steps.throttle import Throttle
from flows.steps.update import Update
from flows.steps.update_in_stripe import UpdateInStripe
from flows.steps.upsert import Upsert
from flows.steps.wait import Wait
from flows.steps.wait_for_event import WaitForEvent

OURS: tuple[StepKind, ...] = (
    Condition(),
    Switch(),
    Filter(),
    ForEach(),
    Parallel(),
    Scope(),
    SubFlow(),
    Stop(),
    Map(),
    Convert(),
    Retrieve(),
    FindInStripe(),
    ListInStripe(),
    CreateInStripe(),
    UpdateInStripe(),
    ActInStripe(),
    Find(),
    ListRecords(),
    Query(),
    Recognise(),
    Upsert(),
    Update(),
    Create(),
    StartFlow(),
    Publish(),
    Ask(),
    Approval(),
    Wait(),
    Throttle(),
    Debounce(),
    WaitForEvent(),
    Alert(),
)


@cache
def load() -> dict[str, StepKind]:
    """
    Return every step kind by slug, those of installed packages included.

    :raises ValueError: if two kinds claim the same slug
    """
    installed = (point.load()() for point in entry_points(group="integrator.step_kinds"))
    kinds: dict[str, StepKind] = {}
    for kind in (*OURS, *installed):
        if kind.slug in kinds:
            raise ValueError(f"Two step kinds are called {kind.slug!r}")
        kinds[kind.slug] = kind
    return kinds
