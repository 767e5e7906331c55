"""This module is the form beside the canvas: of a step, or of what starts the flow."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flows.designing import controls as drawn
from flows.designing import forms, starting, tree
from flows.designing.applying import TRIGGER
from flows.designing.arranging import arranged
from flows.designing.controls import Control
from flows.designing.edits import Edit, Rename, SetSettings, SetTitle, SetTrigger
from flows.designing.leaves import same
from flows.designing.tree import Refused
from flows.engine import contract
from flows.engine.definition import Problem
from flows.models import Draft, Flow
from flows.steps import registry
from flows.steps.scope import TRY
from flows.steps.sub_flow import CARRIED, SubFlow
from flows.views import cards, outline, trigger_panel

_DRAWN_ELSEWHERE: Mapping[str, Sequence[str]] = {"map": ("lines",), SubFlow.slug: CARRIED}


@dataclass(frozen=True, slots=True)
class Inside:
    """What a step has taken of a sub-flow."""

    flow: Flow
    version: int
    newest: int
    steps: Sequence[str]
    gives: Sequence[str]


@dataclass(frozen=True, slots=True)
class Panel:
    """What stands beside the canvas for what is selected."""

    step: str
    title: str
    kind: str
    help: str
    icon: str
    look: str
    body: Control
    slug: str = ""
    lines: int = 0
    problems: Sequence[str] = ()
    ways: Sequence[tuple[str, str, int]] = field(default=())
    taken: Inside | None = None

    @property
    def is_trigger(self) -> bool:
        """Tell whether it is about what starts the flow."""
        return self.step == TRIGGER


def of(draft: Draft, selected: str, problems: Sequence[Problem]) -> Panel | None:
    """Return the panel of the step called `selected`, or of the trigger; None if there is no such step."""
    if selected == TRIGGER:
        return _of_trigger(draft, problems)
    try:
        step = tree.find(draft.document, selected).step
    except Refused:
        return None
    kind = registry.load().get(step["kind"])
    icon, look = outline.LOOKS.get(step["kind"], ("zap", ""))
    settings = step.get("settings") or {}
    mine = [problem for problem in problems if problem.step == selected]
    controls = [] if kind is None else _controls(draft, step)
    body = Control("", "", "group", parts=controls)
    unplaced = _place_problems(controls, mine, {selected: step["kind"]})
    exits = step.get("exits") or {}
    lines = settings.get("lines")
    return Panel(
        step=selected,
        title=str(step.get("title", "")),
        kind=kind.label if kind else step["kind"],
        help=inspect.getdoc(type(kind)) or "" if kind else "This kind of step is not installed.",
        icon=icon,
        look=look,
        body=body,
        slug=step["kind"],
        lines=len(lines) if isinstance(lines, list) else 0,
        problems=unplaced,
        ways=[(way, label, len(exits.get(way) or ())) for way, label in cards.way_names(step).items()],
        taken=_taken(draft, step),
    )


def _taken(draft: Draft, step: tree.Step) -> Inside | None:
    settings, inner = step.get("settings") or {}, (step.get("exits") or {}).get(contract.INSIDE)
    if step["kind"] != SubFlow.slug or not inner:
        return None
    flow = Flow.objects.filter(integration=draft.flow.integration_id, slug=settings["flow"]).first()
    newest = None if flow is None else flow.versions.order_by("-number").first()
    if flow is None or newest is None:
        return None
    gives = [f"steps.{step['id']}.{one['name']}" for one in settings.get("gives", ())]
    return Inside(flow, settings["version"], newest.number, [cards.name_of(one) for one in inner], gives)


def edits_of(draft: Draft, selected: str, given: Mapping[str, str]) -> list[Edit]:
    """
    Return the edits that a sent form comes to: none if it says what the draft says.

    :raises forms.Unreadable: if a control cannot be read
    :raises Refused: if there is no such step
    """
    return _edits_of_trigger(draft, given) if selected == TRIGGER else _edits_of_step(draft, selected, given)


def _edits_of_step(draft: Draft, selected: str, given: Mapping[str, str]) -> list[Edit]:
    step = tree.find(draft.document, selected).step
    found: list[Edit] = []
    title = given.get("@title", step.get("title", "")).strip()[:120]
    if title != step.get("title", ""):
        found.append(SetTitle(edit="set_title", step=selected, title=title))
    if step["kind"] in registry.load():
        schema, before = cards.schema_of(step["kind"]), step.get("settings") or {}
        without = _DRAWN_ELSEWHERE.get(step["kind"], ())
        settings = forms.read(schema, copy.deepcopy(before), given, without=without)
        act, _, place = given.get("@act", "").partition(":")
        settings = arranged(schema, settings, act, place, given)
        if not same(settings, before):
            found.append(SetSettings(edit="set_settings", step=selected, settings=settings))
    return found


def _edits_of_trigger(draft: Draft, given: Mapping[str, str]) -> list[Edit]:
    document = draft.document
    found: list[Edit] = []
    was = (document["name"], document.get("description", ""))
    now = (given.get("@name", was[0]).strip()[:100], given.get("@description", was[1])[:1000])
    if now != was:
        found.append(Rename(edit="rename", name=now[0], description=now[1]))
    trigger = trigger_panel.read(document, given)
    if trigger != document["trigger"]:
        found.append(SetTrigger(edit="set_trigger", trigger=trigger))
    return found


def _of_trigger(draft: Draft, problems: Sequence[Problem]) -> Panel:
    document = draft.document
    name = Control("@name", "Name of the flow", "line", value=document["name"], required=True)
    told = Control("@description", "What it is for", "text", value=document.get("description", ""))
    settings = trigger_panel.parts(document)
    trigger_panel.place(settings, problems)
    start = starting.of(document)
    text = "What starts the flow, and what the flow is called."
    body = Control("", "", "group", parts=[name, told, *settings])
    return Panel(TRIGGER, "", start.label, text, "zap", start.look, body)


def _controls(draft: Draft, step: tree.Step) -> list[Control]:
    without = _DRAWN_ELSEWHERE.get(step["kind"], ())
    controls = forms.controls(cards.schema_of(step["kind"]), step.get("settings") or {}, without=without)
    for control in drawn.every(controls):
        if control.offers == "maps" and control.kind == "line":
            _offer_maps(draft, step, control)
        if control.offers == "inside" and control.kind == "line":
            _offer_inside(step, control)
    return controls


def _offer_maps(draft: Draft, step: tree.Step, control: Control) -> None:
    """Let a step that saves what a map step filled choose among those above it."""
    maps = []
    for found in tree.walk(draft.document["steps"]):
        if found.step["id"] == step["id"]:
            break
        if found.step["kind"] == "map":
            maps.append((found.step["id"], cards.name_of(found.step)))
    if control.value and control.value not in dict(maps):
        maps.append((control.value, f"{control.value} (not above this step)"))
    control.kind, control.options = "choice", [("", "Choose a map step"), *maps]


def _offer_inside(step: tree.Step, control: Control) -> None:
    """Let a step that undoes what is done in it choose among the steps that are done."""
    inside = tree.walk((step.get("exits") or {}).get(TRY) or [])
    steps = [(one.step["id"], f"{cards.name_of(one.step)} ({one.step['id']})") for one in inside]
    if control.value and control.value not in dict(steps):
        steps.append((control.value, f"{control.value} (not done together)"))
    control.kind, control.options = "choice", [("", "Choose a step"), *steps]


def _place_problems(
    controls: Sequence[Control], problems: Sequence[Problem], kinds: Mapping[str, str]
) -> list[str]:
    """Put each problem beside the control that it is about, and return those that are about none."""
    found = [control for control in drawn.every(controls) if control.place]
    left = []
    for problem in problems:
        place = problem.field.split(", ") if problem.field else []
        near = [control for control in found if _leads_to(control.place, place)]
        if near:
            nearest = max(near, key=lambda control: len(control.place))
            only = nearest.parts[:1] if nearest.kind == "rows" and nearest.is_alone else ()
            next(iter(only), nearest).problems.append(problem.message)
        else:
            left.append(cards.said(problem, kinds))
    return left


def _leads_to(place: Sequence[str], problem: Sequence[str]) -> bool:
    """Tell whether a control is what `problem` names, or around it; it names variants of unions as well."""
    rest = iter(problem)
    return place[0] == next(iter(problem), "") and all(word in rest for word in place)
