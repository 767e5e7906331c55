"""This module opens what is kept sealed, traces and bodies, for people who may read them, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from connectors.salesforce.ids import as_18
from flows import error_catalogue, payloads
from flows.engine.ways import CARRIED
from flows.models import Attempt, Event, Run
from flows.steps import registry
from flows.views.summaries import EXITS
from integrator import vault
from integrator.kernel.redact import redact, redact_text

LONGEST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong in a step, with what to do about it."""

    error_class: str
    title: str
    explanation: str
    suggestion: str
    message: str
    code: str
    field: str
    request_id: str
    acting: str = ""  # who acts on it now, where it is what a run waits for


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a try, as it is shown."""

    id: str
    kind: str
    title: str
    exit: str
    ms: str
    state: str  # done, failed, ended
    input: Any
    output: Any
    notes: list[str]
    error: Error | None
    has_values: bool
    taken_from: int = 0  # the number of the try that found it, where this one took it over
    taken_at: datetime | None = None

    @property
    def label(self) -> str:
        """Return what people call its kind, where its title does not say so and there is one."""
        known = registry.load().get(self.kind)
        label = known.label if known else self.kind
        return "" if self.kind in SOURCES or label == self.title else label

    @property
    def way(self) -> str:
        """Return what people call the exit by which it was left."""
        return EXITS.get(self.exit, self.exit.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt of a run."""

    attempt: Attempt
    number: int
    took: timedelta
    steps: list[Step] = field(default_factory=list)
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """The raw event: as data, or as text where it is no JSON."""

    data: Any = None
    text: str = ""
    unreadable: str = ""


def tries_of(run: Run, *, values: bool) -> list[Try]:
    """Return the attempts of `run`, newest first, with the values of their steps only if `values`."""
    attempts = list(run.tries.order_by("id"))
    tries = [_try(attempt, number, values) for number, attempt in enumerate(attempts, 1)][::-1]
    if tries and run.state in Run.UNFINISHED:
        _say_who_acts(tries[0])
    return tries


def _say_who_acts(newest: Try) -> None:
    """Say at the step by which the newest try ended who acts now: the product by itself, or a person."""
    place = len(newest.steps) - 1
    error = newest.steps[place].error if newest.steps else None
    if error is None or newest.steps[place].exit:
        return
    found = error_catalogue.of_failure(error)
    by_itself = found.said if found.autonomy == "auto" else error_catalogue.ACTIONS["retry"].said
    acting = {
        "retry": by_itself,
        "pause": found.said if found.autonomy == "auto" else f"{found.said}; then it goes on by itself",
        "ask": found.said,
    }.get(newest.attempt.outcome, "")
    newest.steps[place] = replace(newest.steps[place], error=replace(error, acting=acting))


def _try(attempt: Attempt, number: int, values: bool) -> Try:
    took = attempt.finished_at - attempt.started_at
    try:
        raw = vault.unseal(attempt.trace, owner=f"trace:{attempt.run_id}")
        entries = json.loads(raw)
    except (vault.Unreadable, ValueError) as failure:
        return Try(attempt, number, took, unreadable=str(failure))
    return Try(attempt, number, took, steps_of(entries, values=values))


def steps_of(entries: Iterable[Any], *, values: bool) -> list[Step]:
    """Return the steps that the entries of a trace tell of, those inside of a list behind the step's own."""
    steps: list[Step] = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        steps.append(_step(entry, values))
        for which, trace in _elements(entry):
            for inner in steps_of(trace, values=values):
                steps.append(replace(inner, title=f"{which}: {inner.title}"))
    for step, following in pairwise(steps):
        if step.state == "ended" and following.id == "source":
            step.notes.append(DOUBT)
    return steps


# Of which elements of a list the engine notes the trace with the step: the first one, or one that failed.
FIRST, FAILED = "First element", "Failed element"
_NOTED = {"first element": FIRST, "failed element": FAILED}


def _elements(entry: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the traces of elements of a list that stand with the step, and which element each is of."""
    for note in entry.get("notes") or []:
        if isinstance(note, Mapping):
            for key, which in _NOTED.items():
                if isinstance(note.get(key), list):
                    yield which, note[key]


SOURCES = {
    "payload": "Take the event as it came",
    "fetched": "Read the object anew",
    "gone": "Read the object anew, and find it gone",
    "unread": "Read the object anew, and fail",
    "stood_in": "Take what the event carries, in place of reading the object anew",
}
DOUBT = "It is in doubt whether a newer state was saved already, so the object is read again."


def _step(entry: Mapping[str, Any], values: bool) -> Step:
    error, ending, kind = entry.get("error"), str(entry.get("exit") or ""), str(entry.get("kind", ""))
    name = _source(entry, kind) if entry.get("step") == "source" else entry.get("title") or entry.get("step")
    around = entry.get("within") or ()  # the steps that took the sub-flow that it came with
    taken = entry.get(CARRIED) or {}
    return Step(
        id=str(entry.get("step", "")),
        kind=kind,
        title=redact_text(" › ".join(map(str, [*around, name or ""]))),
        exit="" if ending == "next" else ending,
        ms="" if taken else _milliseconds(entry.get("ms")),
        state="failed" if error else "ended" if "exit" in entry and not ending else "done",
        input=redact(entry.get("input")) if values else None,
        output=redact(entry.get("output")) if values else None,
        notes=_notes(entry) if values else [],
        error=_error(error) if isinstance(error, Mapping) else None,
        has_values=values and (entry.get("input") is not None or entry.get("output") is not None),
        taken_from=taken.get("attempt", 0),
        taken_at=datetime.fromisoformat(taken["at"]) if taken else None,
    )


def _source(entry: Mapping[str, Any], kind: str) -> str:
    """Say where the state of a run is from: an object of Stripe, or a record of Salesforce."""
    told = SOURCES.get(kind, kind)
    try:
        as_18(str(entry.get("object") or ""))
    except ValueError:
        return told
    return told.replace("the object", "the record")


def _notes(entry: Mapping[str, Any]) -> list[str]:
    return [redact_text(_note(note)) for note in entry.get("notes") or [] if not _is_trace(note)]


def _is_trace(note: Any) -> bool:
    return isinstance(note, Mapping) and not _NOTED.keys().isdisjoint(note)


def _note(note: Any) -> str:
    """Say what `flows.mapping.failure.Note` noted: field, code and message."""
    return f"{note[0]}: {note[2]}" if isinstance(note, list) and len(note) == 3 else str(note)


def _milliseconds(ms: Any) -> str:
    if not isinstance(ms, (int, float)):
        return ""
    if ms < 1:
        return "< 1 ms"
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"


def _error(error: Mapping[str, Any]) -> Error:
    known = {name: str(error.get(name) or "") for name in ("class", "code", "field", "message", "request_id")}
    told = error_catalogue.explain(
        error_class=known["class"], code=known["code"], field=known["field"], message=known["message"]
    )
    return Error(
        error_class=known["class"],
        title=told.title,
        explanation=told.explanation,
        suggestion=told.suggestion,
        message=redact_text(known["message"]),
        code=known["code"],
        field=known["field"],
        request_id=known["request_id"],
    )


def data_of(body: Body | None) -> Mapping[str, Any] | None:
    """Return the event that a body is, if it could be read."""
    return body.data if body is not None and isinstance(body.data, Mapping) else None


def body_of(event: Event) -> Body:
    """Return the body of `event` with its secrets masked; one that cannot be read is shown as text."""
    try:
        return Body(data=redact(payloads.open_body(event.body, connection_id=event.connection_id)))
    except payloads.Unreadable as failure:
        reason = str(failure)
    try:
        raw = vault.unseal(event.body, owner=f"event:{event.connection_id}")
    except vault.Unreadable:
        return Body(unreadable=reason)
    text = redact_text(raw.decode("utf-8", "backslashreplace"))  # masked before it is cut, not after
    return Body(text=text[:LONGEST_TEXT], unreadable=reason)
