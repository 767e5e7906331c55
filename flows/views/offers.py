"""This module answers what may stand in a field of a step's form, while somebody types into it."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from flows import offering
from flows.views import mapper_desk
from flows.views.canvas import Here
from integrator.accounts.access import require, scope_of


@require("flows.edit")
@require_GET
def offers(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Answer what of one kind fits what is typed, in the systems of this environment."""
    here, scope, now = Here.of(request, flow), scope_of(request), timezone.now()
    pair = next(iter(here.pairs()), None)
    desk = mapper_desk.Desk(
        here.draft.flow, pair, here.draft, step, scope.actor, values=scope.can("runs.payload")
    )
    asked = offering.Asked(
        pair=pair,
        of=_given(request, "of"),
        now=now,
        paths=lambda: mapper_desk.SOURCES.known(desk, now=now, ask=True),
        flow=here.draft.flow,
    )
    try:
        found = offering.offers(_given(request, "offers"), _given(request, "q"), asked)
    except offering.UnknownKind as refusal:
        return JsonResponse({"detail": str(refusal)}, status=400)
    return JsonResponse(asdict(found))


def _given(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\0", "")[: offering.LONGEST]
