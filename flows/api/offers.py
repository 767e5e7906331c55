"""This module is the REST interface of what may stand in a setting of a step."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import checking, offering
from flows.api.design import FLOW
from flows.mapping.fields import SrcField
from flows.models import Flow, Pair
from integrator.accounts.rest import WITHIN, ScopedViewSet, refusals

STEP = OpenApiParameter(
    "step", str, OpenApiParameter.PATH, description="Id of the step, for the paths that it can read."
)
KIND = OpenApiParameter(
    "offers", str, enum=sorted(offering.KINDS), required=True, description="What is wanted."
)
OF = OpenApiParameter("of", str, description="The object whose fields, references or paths are wanted.")
TYPED = OpenApiParameter("q", str, description="Words that have to be in the name or the label.")


class OfferSerializer(serializers.Serializer[Any]):
    """One thing that may stand in the setting."""

    value = serializers.CharField(help_text="What is written into the settings.")
    label = serializers.CharField(help_text="What people call it.")  # type: ignore[assignment]  # a field
    detail = serializers.CharField(help_text="What it is.")


class OffersSerializer(serializers.Serializer[Any]):
    """What there is, the likeliest first."""

    offers = OfferSerializer(many=True)
    more = serializers.BooleanField(help_text="There is more of it: say more of the name.")
    trouble = serializers.CharField(help_text="Why nothing is known; empty if something is.")


@extend_schema(tags=["drafts"], parameters=[FLOW, STEP])
class OfferViewSet(ScopedViewSet[Flow]):
    """What may stand in a setting of a step."""

    queryset = Flow.objects.select_related("integration__workspace")
    serializer_class = OffersSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "flow"
    permissions: ClassVar[dict[str, str]] = {"retrieve": "flows.edit"}

    def within(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Return the flows of the workspace."""
        return rows.filter(integration__workspace=self.scope.workspace)

    @extend_schema(
        summary="List what may stand in a setting",
        parameters=[WITHIN, KIND, OF, TYPED],
        responses={200: OffersSerializer, **refusals(400, 404)},
    )
    def retrieve(self, request: Request, flow: str, step: str) -> Response:
        """List objects, fields, Flows, paths or other names that fit, at most as many as a list shows."""
        found, now, given = self.get_object(), self.by()["now"], request.query_params
        pair: Pair | None = next(iter(checking.pairs_of(found, self.scope.environments())), None)

        def paths() -> list[SrcField]:
            return [] if pair is None else checking.readable_in(found, step, pair, now=now)

        of, typed = (given.get(name, "").replace("\0", "")[: offering.LONGEST] for name in ("of", "q"))
        asked = offering.Asked(pair=pair, of=of, now=now, paths=paths, flow=found)
        try:
            told = offering.offers(given.get("offers", ""), typed, asked)
        except offering.UnknownKind as refusal:
            raise ValidationError({"offers": str(refusal)}) from None
        return Response(OffersSerializer(told).data)
