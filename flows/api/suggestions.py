"""This module is the REST interface of suggestions: which lines a map step may need, and what people say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.schemas import Unavailable
from flows import accepting, designer, suggesting
from flows.api.design import FLOW
from flows.api.drafts import RevisionSerializer, refused_edits
from flows.models import Flow, MappingDecision, Pair
from integrator.accounts.rest import WITHIN, ScopedViewSet, refusals

STEP = OpenApiParameter("step", str, OpenApiParameter.PATH, description="Id of the map step.")
EVERY = OpenApiParameter(
    "every",
    str,
    enum=["field", "path"],
    description="Alternatives for every field or for every path. Left out: one for each field.",
)


class SuggestionSerializer(serializers.Serializer[Any]):
    """A mapping line that may be meant."""

    path = serializers.CharField()
    field = serializers.CharField()
    score = serializers.FloatField(help_text="0 to 1.")
    band = serializers.CharField(help_text="strong, likely or list.")
    parts = serializers.DictField(
        child=serializers.FloatField(), help_text="lexical, type, embedding, value and history."
    )
    transform = serializers.CharField(allow_null=True, help_text="What has to be done to the value.")
    reason = serializers.CharField()
    line = serializers.DictField(
        allow_null=True, help_text="The line as a mapping writes it; null where a person has to complete it."
    )


class SuggestedSerializer(serializers.Serializer[Any]):
    """What is suggested for a map step."""

    target = serializers.CharField(help_text="API name of the object in Salesforce.")
    suggestions = SuggestionSerializer(many=True)


class AcceptedSerializer(serializers.Serializer[Any]):
    """What was accepted together, and how the draft stands then."""

    revision = serializers.IntegerField(help_text="The revision of the draft.")
    accepted = SuggestionSerializer(many=True)


class NewDecisionSerializer(serializers.Serializer[Any]):
    """What somebody thinks of a suggestion."""

    path = serializers.CharField(max_length=500)
    field = serializers.CharField(max_length=161)
    accepted = serializers.BooleanField(help_text="False: it is not suggested for this object again.")


class DecisionSerializer(serializers.ModelSerializer[MappingDecision]):
    """What somebody thought of a suggestion."""

    class Meta:
        model = MappingDecision
        fields = ("path", "target_object", "field", "verdict", "decided_at", "decided_by")
        read_only_fields = fields


@extend_schema(tags=["drafts"], parameters=[FLOW, STEP])
class SuggestionViewSet(ScopedViewSet[Flow]):
    """Suggestions for a map step of a draft."""

    queryset = Flow.objects.select_related("integration__workspace")
    serializer_class = SuggestedSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "flow"
    conflicts = (Unavailable, designer.Conflict)
    permissions: ClassVar[dict[str, str]] = {
        "retrieve": "flows.view",
        "decide": "flows.edit",
        "accept": "flows.edit",
    }

    def within(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Return the flows of the workspace."""
        return rows.filter(integration__workspace=self.scope.workspace)

    @extend_schema(
        summary="Suggest lines",
        parameters=[WITHIN, EVERY],
        responses={200: SuggestedSerializer, **refusals(400, 404, 409)},
    )
    def retrieve(self, request: Request, flow: str, step: str) -> Response:
        """
        Suggest lines for the fields that a map step leaves empty. Nothing is changed.

        `environment` says whose Salesforce org and events are meant.
        """
        found = self.get_object()
        every = request.query_params.get("every", "")
        if every not in ("", "field", "path"):
            raise ValidationError({"every": "Ask for every field or for every path."})
        document = designer.open_draft(found, **self.by()).document
        suggested = self._suggested(found, document, step, every=every)
        return Response(SuggestedSerializer(suggested).data)

    @extend_schema(
        summary="Accept or reject a suggestion",
        request=NewDecisionSerializer,
        responses={200: DecisionSerializer, **refusals(400, 404)},
    )
    def decide(self, request: Request, flow: str, step: str) -> Response:
        """
        Remember what you think of a suggestion; the draft itself is changed by its own address.

        What is rejected is not suggested for this object again, until somebody accepts it.
        """
        found, given = self.get_object(), self.read(NewDecisionSerializer)
        document = designer.open_draft(found, **self.by()).document
        try:
            target = suggesting.target_of(document, step)
            decision = suggesting.decide(workspace=self.scope.workspace, target=target, **given, **self.by())
        except suggesting.NoSuchStep as refusal:
            raise NotFound(str(refusal)) from None
        except suggesting.NotALine as refusal:
            raise ValidationError(str(refusal)) from None
        return Response(DecisionSerializer(decision).data)

    @extend_schema(
        summary="Accept the sure suggestions",
        parameters=[WITHIN],
        request=RevisionSerializer,
        responses={200: AcceptedSerializer, **refusals(400, 404, 409)},
    )
    def accept(self, request: Request, flow: str, step: str) -> Response:
        """
        Make lines of all suggestions whose score is 0.9 or more and which nobody has to complete.

        They are one change of the draft to take back, and each is remembered as accepted. At most 50 are made
        at once, the surest; where there are none, nothing is changed.
        """
        found, given = self.get_object(), self.read(RevisionSerializer)
        draft = designer.open_draft(found, **self.by())
        suggested = self._suggested(found, draft.document, step)
        sure = suggesting.sure(suggested.suggestions)[: accepting.MOST]
        offers = [accepting.Offer(one.path, one.line) for one in sure if one.line is not None]
        if offers:
            with refused_edits():
                draft = accepting.accept(
                    draft=draft, step=step, offers=offers, revision=given["revision"], **self.by()
                )
        return Response(AcceptedSerializer({"revision": draft.revision, "accepted": sure}).data)

    def _suggested(
        self, flow: Flow, document: Mapping[str, Any], step: str, *, every: str = ""
    ) -> suggesting.Suggested:
        try:
            return suggesting.for_step(
                document=document,
                step=step,
                pair=self._pair(flow),
                now=self.by()["now"],
                values=self.scope.can("runs.payload"),
                every=every,
                opinion=self.scope.can("flows.edit"),  # a model is paid for each time
            )
        except suggesting.NoSuchStep as refusal:
            raise NotFound(str(refusal)) from None

    def _pair(self, flow: Flow) -> Pair:
        rows = Pair.objects.filter(integration=flow.integration, environment__in=self.scope.environments())
        found = list(rows.select_related("stripe", "salesforce", "environment", "integration__workspace")[:2])
        if len(found) != 1:
            raise ValidationError({"environment": "Name an environment in which the flow is connected."})
        return found[0]
