"""This module shows the mapper: one map step of a draft, whose lines are drawn from Stripe to Salesforce."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows import designer, rehearsing, suggesting
from flows.designing.tree import Refused
from flows.mapping.forms import chip_forms
from flows.mapping.reading import first_of
from flows.models import Flow, Pair
from flows.views import mapper_changes, mapper_desk, mapper_rows, mapper_state, mapper_versions
from flows.views.mapper_desk import Desk
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.paths import BadPath
from integrator.kernel.redact import redact_text

LARGEST = 256 * 1024  # bytes of what the page sends
MOST_VALUES = 40
MOST_PATHS = 20
HINT = (
    "Click a value, then a field, or drag from one to the other. Keys: arrows move, Enter picks and drops, "
    "= writes a fixed value, Escape cancels, Delete removes."
)


@require("flows.edit")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Show the two trees, the lines between them, and what they come to on a recorded event."""
    desk = desk_of(request, flow, step)
    sides = mapper_desk.sides(desk, now=timezone.now())
    choices = desk.choices()
    chosen = _chosen(choices, request.GET.get("event", ""))
    context, trouble = desk.context(chosen)
    sources = mapper_rows.source_rows(sides.sources)
    versions = mapper_versions.choices(desk)
    since = mapper_versions.chosen(versions, request.GET.get("since", ""))
    mapped = [line.field for line in desk.lines()]
    known = {*sides.by_name, *(name.lower() for name in mapped)}
    gone = [name for name in mapper_versions.fields_of(desk, versions) if name.lower() not in known]
    model = {
        **_model(request, desk, sides, sources),
        "state": state_of(desk, context, sides, since=since),
        "gone": gone,
        "values": mapper_rows.values_of(sources, context) if context else {},
    }
    shown = {
        "flow": desk.flow,
        "title": desk.raw.get("title") or "Map",
        "target": desk.target or "no object yet",
        "targets": mapper_rows.target_rows(sides.targets, [*mapped, *gone]),
        "versions": versions,
        "since": since,
        "sure": round(suggesting.SURE * 100),
        "can_suggest": bool(sides.targets),
        "choices": choices,
        "chosen": chosen.id if chosen else "",
        "warning": sides.trouble or trouble,
        "state": model["state"],
        "model": model,
        "start": desk.start,
        "back": _back(request, desk),
        "workspace": scope_of(request).workspace,
        "environment": environment_of(request),
    }
    return render(request, "flows/mapper.html", shown)


def _model(
    request: HttpRequest, desk: Desk, sides: mapper_desk.Sides, sources: Sequence[mapper_rows.SourceRow]
) -> dict[str, Any]:
    """Return what the page's script knows from the start, whatever the event and the lines are."""
    return {
        "urls": _urls(request, desk),
        "icons": static("img/icons.svg"),
        "step": desk.step,
        "target": desk.target,
        "hint": HINT,
        "sources": [row.plain() for row in sources],
        "fits": mapper_rows.fits(sides.sources, sides.targets),
        "picklists": {
            one.name: [pick.value for pick in one.picklist if pick.active]
            for one in sides.targets
            if one.picklist
        },
        "chips": [asdict(form) for form in chip_forms()],
        "types": mapper_rows.types_of(sides.types),
        "lookups": mapper_rows.look_ups(sides.targets),
    }


@require("flows.edit")
@require_POST
def change(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Make one change of the mapping, or take one back, and answer how the step stands then."""
    sent = sent_in(request)
    desk = desk_of(request, flow, step)
    try:
        done = mapper_changes.make(desk, sent, now=timezone.now())
    except mapper_changes.NotUnderstood as refusal:
        return JsonResponse({"detail": str(refusal)}, status=400)
    except designer.NothingToTurn as refusal:
        return JsonResponse({"refused": {"reason": str(refusal), "state": _now(request, desk, sent)}})
    except designer.Conflict as conflict:
        return _conflict(request, desk_of(request, flow, step), conflict, sent)
    except Refused as refusal:
        return JsonResponse({"refused": {"reason": str(refusal), "state": _now(request, desk, sent)}})
    if done.refusal is not None:
        fix = done.refusal.fix.label if done.refusal.fix else ""
        refused = {"reason": done.refusal.reason, "fix": fix, "state": _now(request, desk, sent)}
        return JsonResponse({"refused": refused})
    told = {**_now(request, done.desk, sent), "said": done.said}
    return JsonResponse({**told, "elsewhere": True} if done.elsewhere else told)


@require("flows.edit")
@require_POST
def attempt(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Try a line that is being edited on the chosen event, chip by chip; nothing is kept."""
    sent, desk = sent_in(request), desk_of(request, flow, step)
    raw = sent.get("line")
    line = mapper_state.checked(raw if isinstance(raw, Mapping) else {})
    if line.line is None:
        return JsonResponse({"problem": line.problem})
    context, trouble = desk.context(_chosen(desk.choices(), str(sent.get("event", ""))))
    if context is None:
        return JsonResponse({"trouble": trouble or "There is no event to try it on yet."})
    target = mapper_desk.known_targets(desk).get(line.field.lower())
    return JsonResponse(mapper_state.steps_of(line.line, target, context))


@require("flows.edit")
@require_GET
def values(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Answer the values of another event, and what the lines come to on it."""
    desk = desk_of(request, flow, step)
    context, trouble = desk.context(_chosen(desk.choices(), request.GET.get("event", "")))
    sides = mapper_desk.known_sides(desk, now=timezone.now())
    rows = mapper_rows.source_rows(sides.sources)
    shown = mapper_rows.values_of(rows, context) if context else {}
    state = state_of(desk, context, sides, since=_number(request.GET.get("since")))
    return JsonResponse({**state, "values": shown, "trouble": trouble})


@require("flows.edit")
@require_GET
def last(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Try every line on the last recorded events, and answer on how many each of them fails."""
    desk = desk_of(request, flow, step)
    contexts = _recorded(desk)
    told = mapper_state.on_many(desk.lines(), mapper_desk.known_targets(desk), contexts)
    return JsonResponse({"of": len(contexts), "lines": told})


@require("flows.edit")
@require_GET
def distinct(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Answer which values the last events had at the first of some paths, the most frequent first."""
    desk = desk_of(request, flow, step)
    try:
        read = first_of(request.GET.getlist("path")[:MOST_PATHS])
    except BadPath:
        return JsonResponse({"values": []})
    found = (read(context) for context in _recorded(desk))
    counts = Counter(redact_text(mapper_rows.show(value)) for value in found if _is_single(value))
    told = [{"value": value, "count": count} for value, count in counts.most_common(MOST_VALUES)]
    return JsonResponse({"values": told})


def _recorded(desk: Desk) -> list[dict[str, Any]]:
    """Return what the step reads on each of the last events; samples are none."""
    recorded = [choice for choice in desk.choices() if choice.row is not None]
    return [context for context, _ in map(desk.context, recorded) if context is not None]


def _is_single(value: Any) -> bool:
    return value is not None and not isinstance(value, (Mapping, list))


def desk_of(request: HttpRequest, flow: str, step: str) -> Desk:
    """
    Return the step that an address is about, with its draft.

    :raises Http404: if there is none in this workspace
    """
    scope, here = scope_of(request), environment_of(request)
    found = get_object_or_404(
        Flow.objects.select_related("integration__workspace"),
        integration__workspace=scope.workspace,
        public_id=flow,
    )
    pairs = Pair.objects.filter(integration=found.integration, environment=here)
    pair = pairs.select_related("stripe", "salesforce", "environment").first()
    return mapper_desk.sit_down(
        found, pair, step, actor=scope.actor, values=scope.can("runs.payload"), now=timezone.now()
    )


def state_of(
    desk: Desk, context: Mapping[str, Any] | None, sides: mapper_desk.Sides, *, since: int
) -> dict[str, Any]:
    """
    Return how the step stands: its lines with their results, and what can be taken back.

    `since` is the version that the lines are compared with.
    """
    lines = desk.lines()
    issues = mapper_state.issues_of(
        desk.target, lines, sides.sources, sides.targets, types=sides.types, operation=desk.operation
    )
    back, again = designer.undoable(desk.draft, desk.actor), designer.redoable(desk.draft, desk.actor)
    return {
        "revision": desk.draft.revision,
        "undo": back.label if back else "",
        "redo": again.label if again else "",
        "filled": mapper_state.filled(lines),
        "lines": mapper_state.told(lines, sides.by_name, context, issues),
        "since": mapper_versions.since(desk, since),
    }


def _now(request: HttpRequest, desk: Desk, sent: Mapping[str, Any]) -> dict[str, Any]:
    context, _ = desk.context(_chosen(desk.choices(), str(sent.get("event", ""))))
    sides = mapper_desk.known_sides(desk, now=timezone.now())
    return state_of(desk, context, sides, since=_number(sent.get("since")))


def _number(given: Any) -> int:
    """Return the number of a version; 0, which none has, for what is no such number."""
    text = str(given)
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _conflict(
    request: HttpRequest, desk: Desk, conflict: designer.Conflict, sent: Mapping[str, Any]
) -> HttpResponse:
    return JsonResponse({"text": str(conflict), "state": _now(request, desk, sent)}, status=409)


def _chosen(choices: Sequence[rehearsing.Choice], asked: str) -> rehearsing.Choice | None:
    return next((one for one in choices if one.id == asked), next(iter(choices), None))


def sent_in(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object that the page sent; an empty one if it is none, or too large."""
    if len(request.body) > LARGEST:
        return {}
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _place(request: HttpRequest, desk: Desk) -> dict[str, str]:
    return {
        "workspace": scope_of(request).workspace.slug,
        "environment": environment_of(request).slug,
        "flow": desk.flow.public_id,
    }


def _urls(request: HttpRequest, desk: Desk) -> dict[str, str]:
    names = ("edits", "try", "values", "last", "seen", "keys", "suggestions", "judge", "complete")
    place = {**_place(request, desk), "step": desk.step}
    return {name: reverse(f"flows:mapper_{name}", kwargs=place) for name in names}


def _back(request: HttpRequest, desk: Desk) -> str:
    return f"{reverse('flows:design', kwargs=_place(request, desk))}?{urlencode({'step': desk.step})}"
