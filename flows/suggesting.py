"""
This module suggests lines for a map step, and remembers what people think of them.

Nothing is mapped by itself: a suggestion becomes a line when somebody accepts it. What was accepted weighs in
the whole workspace; what was rejected for an object is not suggested for it again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from pydantic import ValidationError

from flows import fields, meaning, second_opinion
from flows.designing import starting
from flows.designing.limits import check_value
from flows.designing.tree import Refused
from flows.engine.definition import FlowDocument
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.spec import API_NAME, FIELD, written_field
from flows.mapping.suggest import Suggestion, assign, suggest, suggest_for_fields
from flows.mapping.suggest.ranking import LISTED
from flows.models import MappingDecision, Pair
from integrator.accounts import audit
from integrator.accounts.models import Workspace
from integrator.kernel.paths import BadPath, compile_path

MOST_REMEMBERED = 5_000  # decisions of a workspace that are looked at, the newest
LOOK_UP = "lookup"
_OWN_ID = re.compile(r"(?!event\.)[a-z_]+\.id")
SURE = 0.9  # from here on suggestions may be accepted together
CANDIDATES = 8  # paths for each field among which the best in all are found


class NoSuchStep(LookupError):
    """The document has no such map step, or the step has no object yet."""


class NotALine(ValueError):
    """What was decided about is not a path and a field."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """What is suggested for a map step."""

    target: str  # the Salesforce object
    suggestions: Sequence[Suggestion]


# Suggesting


def lines(
    *,
    workspace: Workspace,
    target: str,
    sources: Iterable[SrcField],
    targets: Iterable[SObjField],
    mapped: Collection[str] = (),
    opinion: bool = True,
) -> list[Suggestion]:
    """
    Return at most one suggestion for each field of the object `target` that is not among `mapped`.

    No path stands in two of them, but for a look-up: the id of an object may be the key of its own record and
    name another. They are what may be listed at all, the surest first. Where a hosted
    model is set up its `opinion` is asked, unless this is inside a transaction.
    """
    free, read = _free(targets, mapped), _readable(sources)
    accepted, rejected = _remembered(workspace, target)
    embedder = meaning.embedder()
    found = suggest_for_fields(
        read, free, examples=accepted, rejected=rejected, embedder=embedder, k=CANDIDATES
    )
    if opinion:
        found = second_opinion.ask(found, read, free)
    return sorted(_shared_out(found, free), key=lambda one: -one.score)


def alternatives(
    *,
    workspace: Workspace,
    target: str,
    sources: Iterable[SrcField],
    targets: Iterable[SObjField],
    by_path: bool = False,
    mapped: Collection[str] = (),
    most: int = 3,
) -> list[Suggestion]:
    """
    Return the best paths for each field that is not among `mapped`, or `by_path` those fields for each path.

    There are at most `most` of each, the best first.
    """
    free = _free(targets, mapped)
    accepted, rejected = _remembered(workspace, target)
    sources = _readable(sources)
    ranked = suggest if by_path else suggest_for_fields
    embedder = meaning.embedder()
    found = ranked(sources, free, examples=accepted, rejected=rejected, embedder=embedder, k=most)
    return [one for one in found if one.band]


def for_step(
    *,
    document: Mapping[str, Any],
    step: str,
    pair: Pair,
    now: datetime,
    values: bool = False,
    every: str = "",
    most: int = 3,
    opinion: bool = True,
) -> Suggested:
    """
    Return suggestions for a map step of `document`, which may be unfinished.

    `every` asks for alternatives, by "field" or by "path"; otherwise each field has one. `values` lets
    recorded values speak, for whoever may see them; `opinion` is as for `lines`.

    :raises NoSuchStep: if there is nothing that could be filled
    :raises connectors.schemas.Unavailable: if nothing is known of the object
    """
    settings = _settings(document, step)
    target = str(settings.get("target") or "")
    sources = fields.start_fields(pair, starting.of(document), now=now, values=values)
    given: dict[str, Any] = {
        "workspace": pair.integration.workspace,
        "target": target,
        "sources": [*sources, *_earlier(document, step, pair, sources)],
        "targets": fields.target_fields(pair, target, now=now),
        "mapped": _mapped(settings),
    }
    if every:
        return Suggested(target, alternatives(**given, by_path=every == "path", most=most))
    return Suggested(target, lines(**given, opinion=opinion))


def sure(found: Iterable[Suggestion]) -> list[Suggestion]:
    """
    Return those that may be accepted together: they are sure, and nobody has to complete them.

    Two are none of them, however sure: a look-up, since a person has to know whether its record is there,
    and what the event says of itself, which is another with each event.
    """
    return [
        one
        for one in found
        if one.score >= SURE
        and one.line is not None
        and one.transform != LOOK_UP
        and not one.path.startswith("event.")
    ]


def target_of(document: Mapping[str, Any], step: str) -> str:
    """
    Return the object that a map step of `document` fills.

    :raises NoSuchStep: if there is none
    """
    return str(_settings(document, step)["target"])


def _settings(document: Mapping[str, Any], step: str) -> Mapping[str, Any]:
    for one in _steps(document.get("steps") or ()):
        if one.get("id") == step and one.get("kind") == "map":
            settings: Mapping[str, Any] = one.get("settings") or {}
            if not re.fullmatch(API_NAME, str(settings.get("target") or "")):
                raise NoSuchStep("Choose the Salesforce object in the step's settings first.")
            return settings
    raise NoSuchStep(f"There is no map step {step}.")


def _mapped(settings: Mapping[str, Any]) -> list[str]:
    lines = settings.get("lines")
    found = lines if isinstance(lines, list) else []
    return [str(line.get("field", "")) for line in found if isinstance(line, Mapping)]


def _steps(steps: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        yield step
        for branch in (step.get("exits") or {}).values():
            yield from _steps(branch)


def _earlier(
    document: Mapping[str, Any], step: str, pair: Pair, sources: Sequence[SrcField]
) -> list[SrcField]:
    try:
        whole = FlowDocument.model_validate(document)
        return fields.step_fields(whole, step, place=pair, sources=sources)
    except (ValidationError, LookupError):
        return []  # of an unfinished flow nothing can be told about its earlier steps


def _shared_out(found: Sequence[Suggestion], targets: Iterable[SObjField]) -> list[Suggestion]:
    """
    Return the best of each field, in which no path is used twice: neither to fill nor to look up.

    The id of what the event is about is the key of the record before it is anything else.
    """
    keys = {one.name for one in targets if one.external_id}
    own = [one for one in found if one.field in keys and _OWN_ID.fullmatch(one.path)]
    key = max(own, key=lambda one: one.score, default=None)
    best: dict[str, Suggestion] = {} if key is None else {key.field: key}
    for looks_up in (False, True):
        group = [
            one
            for one in found
            if (one.transform == LOOK_UP) is looks_up
            and (key is None or looks_up or (one.path != key.path and one.field != key.field))
        ]
        for one in assign(group, min_score=LISTED):
            if one.field not in best or one.score > best[one.field].score:
                best[one.field] = one
    return list(best.values())


def _readable(sources: Iterable[SrcField]) -> list[SrcField]:
    """
    Return `sources` without what no line should read.

    These are whole roots, since something within them is meant, and what is gone from Stripe.
    """
    return [one for one in sources if not one.removed and (one.type != "object" or "." in one.path)]


def _free(targets: Iterable[SObjField], mapped: Collection[str]) -> list[SObjField]:
    taken = {written_field(name).lower() for name in mapped}
    return [one for one in targets if one.name.lower() not in taken]


# Remembering


def decide(
    *, workspace: Workspace, target: str, path: str, field: str, accepted: bool, actor: str, now: datetime
) -> MappingDecision:
    """
    Remember whether `path` belongs into `field` of the object `target`; the newest word counts.

    Saying the same again changes nothing.

    :raises NotALine: if `path` is not a path, or `field` or `target` not an API name
    """
    line: dict[str, Any] = {
        "path": _path(path),
        "field": _field(field),
        "target_object": _object(target),
    }
    verdict = MappingDecision.Verdict.ACCEPTED if accepted else MappingDecision.Verdict.REJECTED
    with transaction.atomic():
        # The lock that the audit trail takes too: of two people who decide at once, the later word counts.
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        known = MappingDecision.objects.filter(workspace=workspace, **line).first()
        if known is not None and known.verdict == verdict:
            return known
        decision, _ = MappingDecision.objects.update_or_create(
            workspace=workspace,
            **line,
            defaults={"verdict": verdict, "decided_at": now, "decided_by": actor[:254]},
        )
        audit.record(
            workspace=workspace,
            actor=actor,
            action=f"suggestion.{verdict}",
            target=f"{line['target_object']}.{line['field']}",
            details={"path": line["path"]},
            now=now,
        )
    return decision


def _remembered(workspace: Workspace, target: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what was accepted for any object, since it teaches words, and what was rejected for this one."""
    accepted, rejected = [], []
    newest = MappingDecision.objects.filter(workspace=workspace).order_by("-decided_at", "-id")
    rows = newest.values_list("path", "target_object", "field", "verdict")[:MOST_REMEMBERED]
    for path, name, field, verdict in rows:
        if verdict == MappingDecision.Verdict.ACCEPTED:
            accepted.append((path, field))
        elif name.lower() == target.lower():
            rejected.append((path, field))
    return accepted, rejected


def _path(path: str) -> str:
    try:
        compile_path(path)
        check_value(path)  # a path may read any name, a database keeps not every one
    except (BadPath, Refused) as error:
        raise NotALine(str(error)) from None
    return path


def _field(field: str) -> str:
    if not re.fullmatch(FIELD, field):
        raise NotALine("Name the field by its API name.")
    return written_field(field)[:80]


def _object(target: str) -> str:
    if not re.fullmatch(API_NAME, target):
        raise NotALine("Name the object by its API name.")
    return target
