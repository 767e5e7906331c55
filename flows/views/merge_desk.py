"""This module lets people compare records of an org side by side, and say whose values survive a merge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods

from connectors.models import Connection
from flows.error_catalogue import explain
from flows.forms import Merging
from flows.merging import checking
from flows.merging.checking import Preview, Wanted
from flows.merging.reading import name_of
from flows.survivors import Line, Preset, Reason
from flows.views.connection_pages import place_of
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.errors import IntegrationError
from integrator.kernel.redact import redact_text
from integrator.kernel.refusals import Unacceptable

TAKE = "take."  # how the names of the survivors' buttons begin
LONGEST = 300  # characters of a value that are shown
PRESETS = {
    Preset.KEEP: ("Kept record", "What the kept record says stays, and its empty fields are filled."),
    Preset.NEWEST: ("Newest", "The record that was changed last wins."),
    Preset.COMPLETE: ("Most complete", "The record that says more wins."),
}
REASONS = {
    Reason.ONLY: "the other is empty",
    Reason.KEPT: "as the kept record has it",
    Reason.NEWEST: "changed last",
    Reason.COMPLETE: "says more",
    Reason.CHOSEN: "chosen",
    Reason.SAME: "the same",
}
FIXED = {
    "key": "a key, by which systems find a record: it does not move",
    "currency": "currencies, and amounts in another one, do not change",
    "masked": "encrypted in Salesforce: what is read of it may be masked, so it does not move",
    "readonly": "the integration user may not change it",
}


@dataclass(frozen=True, slots=True)
class Head:
    """A record over its column."""

    id: str
    name: str
    changed: Any
    kept: bool
    keep_href: str


@dataclass(frozen=True, slots=True)
class Cell:
    """The value that one record has in a field."""

    record: str
    called: str
    text: str
    wins: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One field: what each record has in it, and which of them survives."""

    name: str
    label: str
    cells: Sequence[Cell]
    why: str
    fixed: str
    money: bool


@dataclass(slots=True)
class Asked:
    """What the address or the form asks for, as far as it can be read."""

    connection: Connection | None = None
    object: str = "Account"
    ids: list[str] = field(default_factory=list)
    preset: Preset = Preset.KEEP
    chosen: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def wanted(self) -> Wanted | None:
        """Return what is to be merged, or None as long as that is not said."""
        if self.connection is None or not self.ids or self.problem:
            return None
        return Wanted(self.connection, self.object, self.ids, self.preset, self.chosen)


@require("records.merge")
@require_http_methods(["GET", "POST"])
def records(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Compare records; sent as a form, keep what merging them would do, and show it."""
    asked = _asked(request, request.POST if request.method == "POST" else request.GET)
    wanted = asked.wanted
    if wanted is None:
        return _page(request, asked, None)
    try:
        if request.method == "POST":
            merge = checking.check(wanted, actor=scope_of(request).actor, now=timezone.now())
            place = {"workspace": workspace, "environment": environment, "merge": merge.public_id}
            return redirect(reverse("flows:merge", kwargs=place))
        seen = checking.preview(wanted)
    except Unacceptable as refusal:
        asked.problem = str(refusal)
    except IntegrationError as failure:
        asked.problem = _explained(failure)
    else:
        return _page(request, asked, seen)
    return _page(request, asked, None)


def _explained(failure: IntegrationError) -> str:
    told = explain(code=failure.code, message=str(failure))
    return redact_text(f"Salesforce could not be asked: {failure} {told.suggestion}")


def _asked(request: HttpRequest, given: QueryDict) -> Asked:
    asked = Asked()
    there = _connections(request)
    named = given.get("connection", "").replace("\0", "")
    asked.connection = next((one for one in there if one.public_id == named), None)
    if named and asked.connection is None:
        asked.problem = "There is no such connection to Salesforce in this environment."
    asked.object = next((one for one in checking.OBJECTS if one == given.get("object", "Account")), "")
    if not asked.object:
        asked.problem = f"Salesforce merges {', '.join(checking.OBJECTS)}, and nothing else."
    asked.preset = next((one for one in Preset if one.value == given.get("preset")), Preset.KEEP)
    try:
        asked.ids = checking.ids_in(given.get("ids", "").replace("\0", "")[:1_000])
    except Unacceptable as refusal:
        asked.problem = str(refusal)
    kept = given.get("keep", "")
    if kept in asked.ids:
        asked.ids = [kept, *(one for one in asked.ids if one != kept)]
    asked.chosen = {
        name.removeprefix(TAKE): str(value) for name, value in given.items() if name.startswith(TAKE)
    }
    if asked.connection is None and not named and len(there) == 1 and asked.ids:
        asked.connection = there[0]
    return asked


def _connections(request: HttpRequest) -> list[Connection]:
    rows = Connection.objects.filter(environment=environment_of(request), system=Connection.System.SALESFORCE)
    return list(rows.select_related("environment__workspace").order_by("name"))


def _page(request: HttpRequest, asked: Asked, seen: Preview | None) -> HttpResponse:
    connections = [(one.public_id, one.name) for one in _connections(request)]
    initial = {
        "connection": asked.connection.public_id if asked.connection else "",
        "object": asked.object or "Account",
        "ids": "\n".join(asked.ids) or request.GET.get("ids", "").replace("\0", "")[:1_000],
    }
    form = Merging(connections=connections, objects=checking.OBJECTS, initial=initial)
    context = {
        "form": form,
        "none": not connections,
        "problem": asked.problem,
        "seen": seen,
        **(_shown(request, asked, seen) if seen is not None else {}),
        **place_of(request),
    }
    status = 422 if asked.problem and request.method == "POST" else 200
    return render(request, "flows/merge_records.html", context, status=status)


def _shown(request: HttpRequest, asked: Asked, seen: Preview) -> dict[str, Any]:
    names = {one: name_of(record) for one, record in zip(asked.ids, seen.records, strict=True)}
    rows = [_row(line, names) for line in seen.lines]
    return {
        "asked": asked,
        "ids": ",".join(asked.ids),
        "heads": list(_heads(request, asked, seen, names)),
        "rows": [row for row, line in zip(rows, seen.lines, strict=True) if line.differs],
        "same": [row for row, line in zip(rows, seen.lines, strict=True) if not line.differs],
        "presets": [
            {"label": label, "says": says, "href": _href(request, asked, preset=preset.value), "on": on}
            for preset, (label, says) in PRESETS.items()
            for on in (preset == asked.preset,)
        ],
        "children": [children_row(one.as_json(), asked.ids) for one in seen.children],
        "names": names,
    }


def _heads(request: HttpRequest, asked: Asked, seen: Preview, names: Mapping[str, str]) -> Iterator[Head]:
    for place, (one, record) in enumerate(zip(asked.ids, seen.records, strict=True)):
        changed = parse_datetime(str(record.get("LastModifiedDate") or ""))
        yield Head(one, names[one], changed, place == 0, _href(request, asked, keep=one))


def _href(request: HttpRequest, asked: Asked, **other: str) -> str:
    told = {
        "connection": asked.connection.public_id if asked.connection else "",
        "object": asked.object,
        "ids": ",".join(asked.ids),
        "preset": asked.preset.value,
    }
    return f"{request.path}?{urlencode({**told, **other})}"


def _row(line: Line, names: Mapping[str, str]) -> Row:
    cells = [
        Cell(one, names[one], text_of(value), place == line.winner)
        for place, (one, value) in enumerate(zip(names, line.values, strict=True))
    ]
    why = FIXED.get(line.fixed) or REASONS[line.reason]
    return Row(line.field.name, line.field.label, cells, why, line.fixed, line.field.money)


def text_of(value: Any) -> str:
    """Return a value of a record as people read it; nothing for an empty one."""
    match value:
        case None:
            return ""
        case bool():
            return "Yes" if value else "No"
        case Decimal():
            return f"{value.normalize():,f}"
        case int():
            return f"{value:,}"
        case _:
            text = redact_text(str(value))
            return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def children_row(told: Mapping[str, Any], ids: Sequence[str]) -> dict[str, Any]:
    """Return what refers to the records by one look-up: how many to each, and how many move."""
    counts = [len(told["ids"].get(one, ())) for one in ids]
    return {
        "object": told["object"],
        "field": told["field"],
        "counts": counts,
        "moves": sum(counts[1:]),
        "more": told["more"],
        "unknown": redact_text(str(told["unknown"])),
    }
