"""This module is the REST interface of unusual payments: look, say that it is no anomaly, announce events."""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from monitoring import anomalies
from monitoring.alert_api import router
from monitoring.anomaly_models import AlreadyOver, Anomaly


class AnomalySerializer(serializers.ModelSerializer[Anomaly]):
    """Something unusual about the payments of a connection."""

    id = serializers.CharField(source="public_id", read_only=True)
    connection = serializers.CharField(source="series.connection.public_id", read_only=True)
    environment = serializers.CharField(source="series.connection.environment.slug", read_only=True)

    class Meta:
        model = Anomaly
        fields = (
            "id", "connection", "environment", "metric", "kind", "z", "observed", "expected", "lo", "hi",
            "reason", "began_at", "ended_at", "dismissed_by", "dismissed_at",
        )  # fmt: skip
        read_only_fields = fields


class AnnouncedEventSerializer(serializers.Serializer[Any]):
    """Something unusual that is to come, and is not to be told."""

    connection = serializers.CharField(help_text="Id of the Stripe connection.")
    metric = serializers.ChoiceField(
        choices=["", *anomalies.METRICS], default="", help_text="Empty: everything that is counted."
    )
    begins = serializers.DateTimeField()
    ends = serializers.DateTimeField()


class AnomalyFilter(RowFilter):
    """Anomalies by connection, kind, and whether they are over."""

    open = filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull", help_text="true: what goes on.")
    connection = filters.CharFilter(field_name="series__connection__public_id")
    kind = filters.CharFilter()

    class Meta:
        model = Anomaly
        fields = ()


@extend_schema(tags=["alerts"])
@extend_schema_view(
    list=extend_schema(
        summary="List anomalies",
        description="Payments that were not as usual, newest first; each that goes on is an alert, too.",
        parameters=[WITHIN],
        responses={200: AnomalySerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(summary="Show an anomaly", responses={200: AnomalySerializer, **refusals(404)}),
)
class AnomalyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Anomaly]):
    """Anomalies."""

    queryset = Anomaly.objects.select_related("series__connection__environment")
    serializer_class = AnomalySerializer
    filterset_class = AnomalyFilter
    environment_at = "series__connection__environment"
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (AlreadyOver,)
    permissions: ClassVar[dict[str, str]] = {
        "list": "alerts.view",
        "retrieve": "alerts.view",
        "dismiss": "alerts.manage",
        "announce": "alerts.manage",
    }

    @extend_schema(
        summary="Say that it is no anomaly",
        request=None,
        responses={200: AnomalySerializer, **refusals(403, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def dismiss(self, request: Request, id: str) -> Response:
        """It is over with that, and its metric has to be more unusual to be told again."""
        found = anomalies.dismiss(anomaly=self.get_object(), **self.by())
        return Response(AnomalySerializer(self.queryset.all().get(pk=found.pk)).data)

    @extend_schema(
        summary="Announce something unusual",
        request=AnnouncedEventSerializer,
        responses={204: None, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=False)
    def announce(self, request: Request) -> Response:
        """Say that a promotion, a billing run or the like is to come, so that it is not told."""
        told = self.read(AnnouncedEventSerializer)
        connection = get_object_or_404(
            Connection,
            environment__in=self.scope.environments(),
            system=Connection.System.STRIPE,
            public_id=told.pop("connection"),
        )
        try:
            anomalies.announce(connection=connection, **told, **self.by())
        except ValueError as refusal:
            raise ValidationError({"ends": str(refusal)}) from refusal
        return Response(status=204)


__all__ = ["AnomalyViewSet", "router"]

router.register("anomalies", AnomalyViewSet, basename="anomaly")
