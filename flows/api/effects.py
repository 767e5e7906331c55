"""This module is the REST interface of effects: look, do what was left out, settle what is in doubt."""

from __future__ import annotations

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from flows import effects
from flows.models import Effect
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact_text


class EffectSerializer(serializers.ModelSerializer[Effect]):
    """What must happen once, and how far it has come."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="pair.environment.slug", read_only=True)
    flow = serializers.CharField(source="flow.public_id", read_only=True)
    run = serializers.CharField(source="run.public_id", read_only=True)
    external_id = serializers.CharField(source="run.event.external_id", read_only=True)
    reason = serializers.SerializerMethodField()

    class Meta:
        model = Effect
        fields = (
            "id", "environment", "flow", "step", "run", "external_id", "kind", "purpose", "record",
            "occurrence", "state", "reason", "generation", "created_at", "sent_at", "ended_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_reason(self, effect: Effect) -> str:
        """Return why it is where it is, without secrets."""
        return redact_text(effect.reason)


class InsistedSerializer(serializers.Serializer[Any]):
    """The run that does what was left out."""

    run = serializers.CharField()


class SettledSerializer(serializers.Serializer[Any]):
    """Whether an effect in doubt happened."""

    happened = serializers.BooleanField()


class EffectFilter(RowFilter):
    """Effects by where they stand, and what they are about."""

    state = filters.ChoiceFilter(choices=Effect.State.choices)
    flow = filters.CharFilter(field_name="flow__public_id", help_text="Id of the flow.")
    run = filters.CharFilter(field_name="run__public_id", help_text="Id of the run that recorded it.")
    record = filters.CharFilter(help_text="The source record that it is about.")

    class Meta:
        model = Effect
        fields = ()


@extend_schema(tags=["effects"])
@extend_schema_view(
    list=extend_schema(
        summary="List effects",
        description="What must happen once, newest first. `skipped`: left out, because its event is history.",
        parameters=[WITHIN],
        responses={200: EffectSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(summary="Show an effect", responses={200: EffectSerializer, **refusals(404)}),
)
class EffectViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Effect]):
    """Effects."""

    queryset = (
        Effect.objects.select_related("pair__environment", "flow", "run__event")
        .defer("request", "result", "run__event__body")
        .order_by("-id")
    )
    serializer_class = EffectSerializer
    filterset_class = EffectFilter
    environment_at = "pair__environment"
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (effects.AlreadyHandled, effects.NotPossible)
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "insist": "effects.decide",
        "settle": "effects.decide",
    }

    @extend_schema(
        summary="Do what was left out",
        request=None,
        responses={200: InsistedSerializer, **refusals(404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def insist(self, request: Request, id: str) -> Response:
        """Open a run that reads the object, and does whatever was left out of the effect's event."""
        run = effects.insist(effect=self.get_object(), **self.by())
        return Response(InsistedSerializer({"run": run.public_id}).data)

    @extend_schema(
        summary="Settle an effect in doubt",
        request=SettledSerializer,
        responses={200: EffectSerializer, **refusals(400, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def settle(self, request: Request, id: str) -> Response:
        """Say whether it happened, where no question about it is open. Else it counts as left out."""
        given = self.read(SettledSerializer)
        settled = effects.settle(effect=self.get_object(), happened=given["happened"], **self.by())
        return Response(EffectSerializer(self.within(self.queryset.all()).get(pk=settled.pk)).data)
