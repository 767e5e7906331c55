"""This module is the REST interface of anomalies: look, acknowledge, mute, say that it is none, announce."""

from __future__ import annotations

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from monitoring import anomaly_decisions, anomaly_views
from monitoring.alert_api import router
from monitoring.anomaly_models import AlreadyOver, Anomaly
from monitoring.known_api import KnownEventInputSerializer, KnownEventSerializer, named


class LikelyCauseSerializer(serializers.Serializer[Any]):
    """A value that an incident's events have in common: a currency, country, error code or version."""

    what = serializers.CharField()
    value = serializers.CharField()
    share = serializers.FloatField(help_text="Of the incident's events, from 0 to 1.")
    usual = serializers.FloatField(help_text="Of those before, from 0 to 1.")
    sentence = serializers.CharField()


class AnomalySerializer(serializers.ModelSerializer[Anomaly]):
    """Something unusual about the payments or calls of a connection, or the runs of a flow."""

    id = serializers.CharField(source="public_id", read_only=True)
    connection = serializers.CharField(source="series.connection.public_id", read_only=True)
    environment = serializers.CharField(source="series.connection.environment.slug", read_only=True)
    flow = serializers.CharField(
        source="flow_series.flow.public_id",
        read_only=True,
        default=None,
        help_text="Where it is in its runs.",
    )
    alert = serializers.CharField(
        source="under.public_id",
        read_only=True,
        default=None,
        help_text="Id of the alert of the outage that it comes of; it opens none of its own then.",
    )
    causes = LikelyCauseSerializer(many=True, read_only=True, help_text="What it most likely has to do with.")

    class Meta:
        model = Anomaly
        fields = (
            "id", "connection", "flow", "environment", "metric", "kind", "z", "observed", "expected", "lo",
            "hi", "reason", "causes", "alert", "object_id", "currency", "began_at", "ended_at",
            "dismissed_by", "dismissed_at", "acknowledged_by", "acknowledged_at",
        )  # fmt: skip
        read_only_fields = fields


class MuteAnomalySerializer(serializers.Serializer[Any]):
    """Until when nothing like it is told."""

    until = serializers.DateTimeField()


class AnomalyFilter(RowFilter):
    """Anomalies by connection, kind, and whether they are over."""

    open = filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull", help_text="true: what goes on.")
    connection = filters.CharFilter(field_name="series__connection__public_id")
    flow = filters.CharFilter(field_name="flow_series__flow__public_id")
    kind = filters.CharFilter()
    alert = filters.CharFilter(field_name="under__public_id", help_text="What comes of the outage it tells.")

    class Meta:
        model = Anomaly
        fields = ()


@extend_schema(tags=["alerts"])
@extend_schema_view(
    list=extend_schema(
        summary="List anomalies",
        description="Payments, calls and runs that were unusual, newest first. What goes on is an alert.",
        parameters=[WITHIN],
        responses={200: AnomalySerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(summary="Show an anomaly", responses={200: AnomalySerializer, **refusals(404)}),
)
class AnomalyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Anomaly]):
    """Anomalies."""

    queryset = Anomaly.objects.select_related(
        "series__connection__environment__workspace", "flow_series__flow", "under"
    )
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
        "acknowledge": "alerts.manage",
        "mute": "alerts.manage",
        "announce": "alerts.manage",
    }

    @extend_schema(
        summary="Say that it is no anomaly",
        request=None,
        responses={200: AnomalySerializer, **refusals(403, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def dismiss(self, request: Request, id: str) -> Response:
        """It is over with that, and its like has to be more unusual to be told again."""
        found = anomaly_decisions.dismiss(anomaly=self.get_object(), **self.by())
        return self._told(found)

    @extend_schema(
        summary="Take care of an anomaly",
        request=None,
        responses={200: AnomalySerializer, **refusals(403, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def acknowledge(self, request: Request, id: str) -> Response:
        """Say that somebody takes care of it; its alert is acknowledged, too."""
        return self._told(anomaly_views.take_care(self.get_object(), **self.by()))

    @extend_schema(
        summary="Mute an anomaly",
        request=MuteAnomalySerializer,
        responses={200: KnownEventSerializer, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def mute(self, request: Request, id: str) -> Response:
        """Tell nothing like it until then. That is a known event, which can be taken back."""
        event = anomaly_decisions.mute(
            anomaly=self.get_object(), **self.read(MuteAnomalySerializer), **self.by()
        )
        return Response(KnownEventSerializer(event).data)

    @extend_schema(
        summary="Announce something unusual",
        description="As `POST known-events/`, for programs that were written before that was there.",
        request=KnownEventInputSerializer,
        responses={204: None, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=False)
    def announce(self, request: Request) -> Response:
        """Say that a promotion, a billing run or the like is to come, so that it is not told."""
        told = self.read(KnownEventInputSerializer)
        anomaly_decisions.announce(**named(told, self.scope), **self.by())
        return Response(status=204)

    def _told(self, anomaly: Anomaly) -> Response:
        return Response(AnomalySerializer(self.queryset.all().get(pk=anomaly.pk)).data)


__all__ = ["AnomalyViewSet", "router"]

router.register("anomalies", AnomalyViewSet, basename="anomaly")
