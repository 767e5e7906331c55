"""
This module finds the sub-flows that flows take: which of their versions, who takes which, and what is amiss.

A flow carries the steps that it takes, as they were when their version was chosen, so that it stays what it
was whatever becomes of the sub-flow.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Max

from flows.designing import judging, starting, taking, tree
from flows.designing.tree import Document, Step
from flows.engine import contract
from flows.engine.definition import FlowDocument, Problem
from flows.mapping.issues import Issue
from flows.models import Deployment, Draft, Flow, FlowVersion, Integration
from flows.steps import registry

_ADDRESS = re.compile(r"[-a-zA-Z0-9_]{1,80}")


@dataclass(frozen=True, slots=True)
class Taker:
    """A flow that takes the steps of another, and of which version of it."""

    flow: Flow
    version: int  # of the sub-flow
    where: str  # the draft, or version 3
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Older:
    """A step that takes another version of a sub-flow than its newest."""

    step: str
    name: str
    version: int
    newest: int


def filled(document: Mapping[str, Any], flow: Flow, *, before: Mapping[str, Any] | None = None) -> Document:
    """
    Return `document` of `flow`, in which every step that takes a sub-flow has its steps as published.

    A step that names no version takes the newest; so does one that took another flow in `before`.
    What cannot be taken leaves the step empty, see `problems`.
    """
    found = copy.deepcopy(dict(document))
    earlier = {one["id"]: _flow_of(one) for one in _calls((before or {}).get("steps"))}
    for step in _calls(found.get("steps")):
        settings = step.setdefault("settings", {})
        if earlier.get(step["id"], settings.get("flow")) != settings.get("flow"):
            settings.pop("version", None)
        version = _version(flow, settings)
        if version is None:
            taking.let_go(step)
            continue
        is_chosen = "takes" not in settings or "version" not in settings
        taking.take(step, version.document, version.number)
        if is_chosen and before is not None:
            _lay_out(settings)
    return found


def _calls(steps: Any) -> list[Step]:
    """Return the steps that take a sub-flow in a document that may be none."""
    try:
        found = list(taking.calls(steps if isinstance(steps, list) else []))
    except (AttributeError, TypeError):  # whoever reads the document says what is wrong with it
        return []
    return [one for one in found if _is_whole(one)]


def _came_with(document: Mapping[str, Any]) -> dict[str, Step]:
    steps = document.get("steps")
    try:
        return taking.came_with(steps if isinstance(steps, list) else [])
    except (AttributeError, KeyError, TypeError):  # as above
        return {}


def _is_whole(step: Step) -> bool:
    return isinstance(step.get("id"), str) and isinstance(step.get("settings") or {}, dict)


def _flow_of(step: Step) -> Any:
    return (step.get("settings") or {}).get("flow")


def _lay_out(settings: dict[str, Any]) -> None:
    """Have a place for each value that the sub-flow has to have, and none for what it does not know."""
    given = settings.get("inputs") or {}
    wanted = [one["name"] for one in settings["takes"] if one.get("required", True) or one["name"] in given]
    settings["inputs"] = {name: given.get(name) or {"from": []} for name in wanted}


def _version(flow: Flow, settings: Mapping[str, Any]) -> FlowVersion | None:
    slug, number = settings.get("flow"), settings.get("version")
    if not isinstance(slug, str) or not _ADDRESS.fullmatch(slug) or slug == flow.slug:
        return None
    versions = FlowVersion.objects.filter(flow__integration=flow.integration_id, flow__slug=slug)
    if number is not None:
        if type(number) is not int or not 0 < number < 2**31:
            return None
        versions = versions.filter(number=number)
    version = versions.order_by("-number").first()
    return version if version is not None and _is_sub_flow(version.document) else None


def _is_sub_flow(document: Mapping[str, Any]) -> bool:
    return starting.of(document).is_sub_flow


def every_problem(document: Mapping[str, Any], flow: Flow) -> list[Problem]:
    """Return everything that keeps `document` of `flow` from being published, each thing by its step."""
    of_others = problems(document, flow)
    said = {(one.step, one.field) for one in of_others}
    inner = _came_with(document)
    own = (
        one
        if one.step not in inner
        else Problem(f"In its step {one.step}: {one.message}", inner[one.step]["id"], "flow")
        for one in judging.problems(document, registry.load())
    )
    return [*of_others, *(one for one in own if (one.step, one.field) not in said)]


def problems(document: Mapping[str, Any], flow: Flow) -> list[Problem]:
    """Return what keeps the steps of `document`, which is `filled`, from taking what they name."""
    return [problem for step in _calls(document.get("steps")) for problem in _problems_of(step, flow)]


def _problems_of(step: Step, flow: Flow) -> Iterator[Problem]:
    settings = step.get("settings") or {}
    slug, inside = settings.get("flow"), (step.get("exits") or {}).get(contract.INSIDE) or []
    if not slug or not isinstance(slug, str):
        return  # that it is missing is said of every setting in the same way
    if slug == flow.slug or flow.slug in taking.flows_in(inside):
        told = "A flow cannot take its own steps"
        by = "" if slug == flow.slug else f": {slug} takes them, or a flow that it takes does"
        yield Problem(f"{told}{by}", step["id"], "flow")
    elif not inside:
        yield Problem(_why_not(slug, flow), step["id"], "flow")
    elif taking.depth_of([step]) > taking.DEEPEST:
        message = f"Sub-flows may stand at most {taking.DEEPEST} deep within each other"
        yield Problem(message, step["id"], "flow")


def _why_not(slug: str, flow: Flow) -> str:
    """Return why the steps of a flow cannot be taken."""
    known = Flow.objects.filter(integration=flow.integration_id)
    other = known.filter(slug=slug).first() if _ADDRESS.fullmatch(slug) else None
    if other is None:
        return f"There is no flow {slug} in this integration"
    newest = other.versions.order_by("-number").first()
    if newest is None:
        return f"{other.name} is not published yet"
    if not _is_sub_flow(newest.document):
        return f"{other.name} is no sub-flow: something else starts it"
    return f"{other.name} has no such version that other flows may take"


def offered(integration: Integration | int, *, but: Flow | None = None) -> list[tuple[Flow, FlowVersion]]:
    """Return the sub-flows of an integration that are published, each with its newest version."""
    flows = Flow.objects.filter(integration=integration).annotate(newest=Max("versions__number"))
    if but is not None:
        flows = flows.exclude(pk=but.pk)
    numbers = {flow.pk: flow for flow in flows if flow.newest is not None}
    versions = FlowVersion.objects.filter(flow__in=numbers)
    newest = {one.flow_id: one for one in versions.order_by("number")}
    return [(flow, newest[pk]) for pk, flow in numbers.items() if _is_sub_flow(newest[pk].document)]


def older(document: Mapping[str, Any], flow: Flow) -> list[Older]:
    """Return the steps of `document` that take another version of a sub-flow than the newest."""
    newest = {other.slug: (other.name, version.number) for other, version in offered(flow.integration_id)}
    found = []
    for step in _calls(document.get("steps")):
        settings = step.get("settings") or {}
        name, number = newest.get(str(settings.get("flow")), ("", 0))
        version = settings.get("version")
        if isinstance(version, int) and version < number:
            found.append(Older(step["id"], name, version, number))
    return found


def newer(document: FlowDocument, flow: Flow) -> Iterator[Issue]:
    """Yield a warning for each step that takes another version of a sub-flow than the newest."""
    for one in older(document.model_dump(mode="json"), flow):
        message = f"The steps of {one.name} are those of version {one.version}; its newest is {one.newest}"
        fix = "Empty the version in the settings of the step to take the newest."
        yield Issue("warning", "newer_sub_flow", "version", message, fix, one.step)


def told_of_takers(found: Sequence[Issue], document: Mapping[str, Any]) -> list[Issue]:
    """
    Return issues as they are of this flow's own steps.

    What is wrong in a step that came with a sub-flow is said of the step that took it; what is only doubtful
    there was said when the sub-flow was published.
    """
    inner = _came_with(document)
    told = []
    for issue in found:
        call = inner.get(issue.step)
        if call is None:
            told.append(issue)
        elif issue.level == "error":
            message = f"In the step {issue.step} of the sub-flow {call['settings']['flow']}: {issue.message}"
            told.append(replace(issue, message=message, step=call["id"], field="flow"))
    return told


def takers(flow: Flow) -> list[Taker]:
    """Return the flows that take steps of `flow`: in what is live, in the newest version, in the draft."""
    others = Flow.objects.filter(integration=flow.integration_id).exclude(pk=flow.pk)
    live = Deployment.objects.filter(flow__in=others, ended_at__isnull=True).select_related("version__flow")
    versions = {one.version_id: one.version for one in live}
    is_live = frozenset(versions)
    published = FlowVersion.objects.filter(flow__in=others).select_related("flow").order_by("number")
    newest = {one.flow_id: one for one in published}
    versions |= {one.pk: one for one in newest.values()}
    found = [
        Taker(one.flow, number, f"version {one.number}", is_live=pk in is_live)
        for pk, one in versions.items()
        for number in _taken_of(one.document, flow.slug)
    ]
    drafts = Draft.objects.filter(flow__in=others).select_related("flow", "base_version")
    found += [
        Taker(draft.flow, number, "the draft")
        for draft in drafts
        if draft.is_changed
        for number in _taken_of(draft.document, flow.slug)
    ]
    return sorted(found, key=lambda one: (one.flow.name, not one.is_live, one.where))


def _taken_of(document: Mapping[str, Any], slug: str) -> list[int]:
    """Return which versions of a flow the steps of `document` take, those within others included."""
    steps = [one.step for one in tree.walk(document.get("steps") or []) if one.step["kind"] == contract.KIND]
    settings = [step.get("settings") or {} for step in steps]
    return sorted({one["version"] for one in settings if one.get("flow") == slug and one.get("version")})
