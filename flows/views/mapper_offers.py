"""This module answers what the mapper offers: suggested lines, and how an expression may go on."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows import accepting, suggesting
from flows.mapping.completing import completions
from flows.views import mapper_desk
from flows.views.mapper import desk_of, sent_in
from integrator.accounts.access import require, scope_of

MOST_OFFERS = 100
MOST_COMPLETIONS = 12


@require("flows.edit")
@require_GET
def suggestions(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Answer at most one suggestion for each field that is not mapped, the surest first."""
    desk = desk_of(request, flow, step)
    sides = mapper_desk.known_sides(desk, now=timezone.now())
    found = suggesting.lines(
        workspace=scope_of(request).workspace,
        target=desk.target,
        sources=sides.sources,
        targets=list(sides.by_name.values()),
        mapped=[line.field for line in desk.lines()],
    )
    sure = {one.field for one in suggesting.sure(found)}
    offers = [
        {
            "path": one.path,
            "field": one.field,
            "score": round(one.score * 100),
            "reason": one.reason,
            "line": dict(one.line) if one.line else None,
            "sure": one.field in sure,
        }
        for one in found[:MOST_OFFERS]
    ]
    return JsonResponse({"suggestions": offers, "together": accepting.MOST})


@require("flows.edit")
@require_POST
def judge(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Remember whether a suggestion was accepted; the line itself is a change of its own."""
    sent, desk = sent_in(request), desk_of(request, flow, step)
    try:
        suggesting.decide(
            workspace=scope_of(request).workspace,
            target=desk.target,
            path=str(sent.get("path", "")),
            field=str(sent.get("field", "")),
            accepted=sent.get("accepted") is True,
            actor=desk.actor,
            now=timezone.now(),
        )
    except suggesting.NotALine as refusal:
        return JsonResponse({"detail": str(refusal)}, status=400)
    return JsonResponse({})


@require("flows.edit")
@require_POST
def complete(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Answer how an expression may go on at a place: with which paths and functions."""
    sent, desk = sent_in(request), desk_of(request, flow, step)
    text, position = sent.get("text"), sent.get("position")
    if not isinstance(text, str) or type(position) is not int:
        return JsonResponse({"detail": "Send the text and the place in it."}, status=400)
    sources = mapper_desk.known_sides(desk, now=timezone.now()).sources
    found = completions(text, position, sources)[:MOST_COMPLETIONS]
    return JsonResponse(
        {
            "completions": [
                {"text": one.insert, "help": one.detail, "start": one.start, "end": one.end} for one in found
            ]
        }
    )
