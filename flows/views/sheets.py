"""This module gives the lists of runs, events, dead letters, questions and merges as CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from flows import causes, error_catalogue, grouping, narrowing, stepping
from flows.finding import Place
from flows.models import Cause, DeadLetter, Event, Merge, Review, Run
from flows.narrowing import Filters
from flows.views import arranged, letters, merging, reviews, runs
from flows.views import filters as narrow
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.kernel.cells import Cell
from integrator.kernel.redact import redact_text
from integrator.sheets import download, money_of, rows_of

UNREAD = ("event__body", "run__version__document", "run__kept", "run__memory")
UNREAD_OF_QUESTIONS = (
    "evidence", "options", "run__event__body", "run__version__document", "run__kept", "run__memory",
)  # fmt: skip

OF_RUNS = (
    "Run", "State", "Fate", "Reason", "Flow", "Version", "Event type", "Event", "Record", "Amount",
    "Currency", "Attempts", "Started", "Ended",
)  # fmt: skip
OF_EVENTS = (
    "Number", "Event", "Type", "Object", "Connection", "Fate", "Reason", "Happened", "Received",
)  # fmt: skip
OF_LETTERS = (
    "Letter", "Cause", "What is wrong", "Code", "Field", "Message", "What may help", "Flow", "Version",
    "Step", "Run", "Event type", "Event", "Object", "Assigned to", "Put off until", "Tags", "Since",
)  # fmt: skip
OF_QUESTIONS = (
    "Question", "Kind", "What is asked", "Flow", "Version", "Step", "Run", "Event type", "Event", "Object",
    "Since", "Closed", "How it was closed", "Answer", "Closed by", "Comment",
)  # fmt: skip
OF_MERGES = (
    "Merge", "State", "Object", "Connection", "Kept", "Merged into it", "Failure", "Looked at by",
    "Asked for by", "Begun", "Merged", "Ended",
)  # fmt: skip


@require("runs.view")
@require_GET
def of_runs(request: HttpRequest, workspace: str, environment: str) -> StreamingHttpResponse:
    """Give the runs that the list would show."""
    filters, now = Filters.read(request.GET), timezone.now()
    narrowed = narrowing.runs(Place.of(environment_of(request)), filters, now=now)
    rows = narrowed.rows.select_related(*runs.WITH_ALL).defer(*runs.UNREAD)
    found = rows_of(rows, stepping.reader(narrowed, indexed=bool(filters.q)))
    chunks = ([_run(one) for one in chunk] for chunk in found)
    return _sheet(request, "runs", OF_RUNS, chunks, narrowed=filters.as_query(), now=now)


@require("runs.view")
@require_GET
def of_events(request: HttpRequest, workspace: str, environment: str) -> StreamingHttpResponse:
    """Give the events that the list would show."""
    filters, now = Filters.read(request.GET), timezone.now()
    narrowed = narrowing.events(Place.of(environment_of(request)), filters, now=now)
    rows = narrowed.rows.defer("body").select_related("connection")
    found = rows_of(rows, stepping.reader(narrowed, indexed=bool(filters.q)))
    chunks = ([_event(one) for one in chunk] for chunk in found)
    return _sheet(request, "events", OF_EVENTS, chunks, narrowed=filters.as_query(), now=now)


@require("runs.view")
@require_GET
def of_letters(request: HttpRequest, workspace: str, environment: str) -> StreamingHttpResponse:
    """Give the letters that wait, one by one, of the causes that the list would show, or of one cause."""
    here, now = environment_of(request), timezone.now()
    cause, asked = request.GET.get("cause", "").replace("\0", ""), arranged.wanted(request)
    open_now = causes.open_letters(here)
    # The page of a cause shows it whoever sees to it, and until whenever it is put off.
    found = open_now.filter(fingerprint=cause) if cause else grouping.letters(here, asked, now=now)
    rows = found.select_related(*grouping.WITH_ALL)
    said = {**asdict(asked), "snoozed": "yes" if asked.snoozed else "", "cause": cause[:64]}
    narrowed = {name: value for name, value in said.items() if value}
    chunks = (_letters(chunk, here) for chunk in rows_of(rows.defer(*UNREAD)))
    return _sheet(request, "dead-letters", OF_LETTERS, chunks, narrowed=narrowed, now=now)


@require("runs.view")
@require_GET
def of_questions(request: HttpRequest, workspace: str, environment: str) -> StreamingHttpResponse:
    """Give the questions that the list would show."""
    now, wanted = timezone.now(), reviews.wanted(request)
    rows = wanted.rows.select_related(*reviews.WITH_ALL).defer(*UNREAD_OF_QUESTIONS)
    chunks = ([_question(one) for one in chunk] for chunk in rows_of(rows))
    said = {"show": "closed" if wanted.past else "", "kind": wanted.kind, "q": wanted.text}
    narrowed = {name: value for name, value in said.items() if value}
    return _sheet(request, "questions", OF_QUESTIONS, chunks, narrowed=narrowed, now=now)


@require("runs.view")
@require_GET
def of_merges(request: HttpRequest, workspace: str, environment: str) -> StreamingHttpResponse:
    """Give the merges that the list would show."""
    here, now = environment_of(request), timezone.now()
    tab = narrow.tab_of(merging.TABS, request.GET.get("state", ""))
    rows = merging.all_at(here).filter(tab.condition)
    chunks = ([_merge(one) for one in chunk] for chunk in rows_of(rows.defer(*Merge.BULKY)))
    narrowed = {"state": tab.key} if tab.key else {}
    return _sheet(request, "merges", OF_MERGES, chunks, narrowed=narrowed, now=now)


def _sheet(
    request: HttpRequest,
    name: str,
    head: Sequence[str],
    chunks: Iterable[Sequence[Sequence[Cell]]],
    *,
    narrowed: Mapping[str, str],
    now: datetime,
) -> StreamingHttpResponse:
    return download(name=name, head=head, chunks=chunks, scope=scope_of(request), narrowed=narrowed, now=now)


# Rows


def _run(run: Run) -> Sequence[Cell]:
    event = run.event
    return (
        run.public_id, run.state, run.fate, redact_text(run.reason), run.flow.name, run.version.number,
        event.type, event.external_id, run.subject or event.object_id, *money_of(run.amount, run.currency),
        run.attempts, run.created_at, run.finished_at,
    )  # fmt: skip


def _event(event: Event) -> Sequence[Cell]:
    reason = event.fate_reason or event.unreadable
    return (
        event.pk, event.external_id, event.type, event.object_id, event.connection.name, event.fate,
        redact_text(reason), event.happened_at, event.received_at,
    )  # fmt: skip


def _letters(found: Sequence[DeadLetter], here: Environment) -> list[Sequence[Cell]]:
    known = causes.known(here, {one.fingerprint for one in found})
    return [_letter(one, known.get(one.fingerprint)) for one in found]


def _letter(letter: DeadLetter, cause: Cause | None) -> Sequence[Cell]:
    run, event = letter.run, letter.event
    told = error_catalogue.explain(
        error_class=letter.error_class, code=letter.code, field=letter.field, message=letter.message
    )
    arranged_by_people = (
        cause.assignee.email if cause and cause.assignee else None,
        cause.snoozed_until if cause else None,
        ", ".join(tag.name for tag in cause.tags.all()) if cause else None,
    )
    return (
        letter.public_id, letter.fingerprint[:16], letters.TITLES.get(letter.code, told.title), letter.code,
        letter.field, redact_text(letter.message), letter.suggestion, run.flow.name if run else None,
        run.version.number if run else None, letter.step, run.public_id if run else None, event.type,
        event.external_id, event.object_id, *arranged_by_people, letter.created_at,
    )  # fmt: skip


def _question(review: Review) -> Sequence[Cell]:
    run, event = review.run, review.run.event
    return (
        review.public_id, review.kind, redact_text(review.question), run.flow.name, run.version.number,
        review.step, run.public_id, event.type, event.external_id, event.object_id, review.created_at,
        review.closed_at, review.resolution, redact_text(review.answer), review.closed_by,
        redact_text(review.comment),
    )  # fmt: skip


def _merge(merge: Merge) -> Sequence[Cell]:
    return (
        merge.public_id, merge.state, merge.label, merge.connection.name, merge.master,
        ", ".join(merge.losers), redact_text(merge.failure), merge.actor, merge.asked_by, merge.created_at,
        merge.merged_at, merge.ended_at,
    )  # fmt: skip
