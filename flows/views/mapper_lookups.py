"""This module answers by which fields the records can be found that a look-up of a mapping leads to."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from connectors.schemas import Unavailable
from flows import fields
from flows.views import mapper_desk, mapper_rows
from flows.views.mapper import desk_of
from integrator.accounts.access import require


@require("flows.edit")
@require_GET
def keys(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Answer by which fields the records of a reference `field` can be found, asking the org if it has to."""
    desk = desk_of(request, flow, step)
    reference = mapper_desk.known_targets(desk).get(request.GET.get("field", "").lower())
    if desk.pair is None or reference is None or not mapper_rows.look_ups([reference]):
        raise Http404
    try:
        found = fields.target_fields(desk.pair, reference.references[0], now=timezone.now())
    except Unavailable as refusal:
        return JsonResponse({"keys": [], "trouble": str(refusal)})
    return JsonResponse({"keys": mapper_rows.keys_of(reference, found), "trouble": ""})
