"""This module is the REST interface of alerts and of the hourly count: look, acknowledge, mute."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from monitoring import alerts
from monitoring.models import Alert, ConservationHour


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """One incident: what happened, what it means, what to do."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(
        source="environment.slug", default=None, allow_null=True, help_text="null: the whole workspace."
    )

    anomalies = serializers.SlugRelatedField[Any](
        slug_field="public_id",
        many=True,
        read_only=True,
        help_text="Of an outage: ids of the anomalies that come of it and open no alert of their own.",
    )

    class Meta:
        model = Alert
        fields = (
            "id", "environment", "kind", "severity", "title", "text", "link", "count", "anomalies",
            "opened_at", "last_seen_at", "closed_at", "acknowledged_by", "acknowledged_at", "muted_until",
        )  # fmt: skip
        read_only_fields = fields


class MuteSerializer(serializers.Serializer[Any]):
    """Until when an alert is silent."""

    until = serializers.DateTimeField(allow_null=True, help_text="null: it speaks again.")


class AlertFilter(RowFilter):
    """Alerts by what they are about and whether they are over."""

    open = filters.BooleanFilter(
        field_name="closed_at", lookup_expr="isnull", help_text="true: what is wrong now; false: what was."
    )
    kind = filters.CharFilter()
    severity = filters.CharFilter(help_text="info, warning or critical.")

    class Meta:
        model = Alert
        fields = ()


@extend_schema(tags=["alerts"])
@extend_schema_view(
    list=extend_schema(
        summary="List alerts",
        description="One for each incident, newest first; it is closed by itself when its cause is gone.",
        parameters=[WITHIN],
        responses={200: AlertSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(summary="Show an alert", responses={200: AlertSerializer, **refusals(404)}),
)
class AlertViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Alert]):
    """Alerts."""

    queryset = Alert.objects.told().select_related("environment").prefetch_related("anomalies")
    serializer_class = AlertSerializer
    filterset_class = AlertFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (alerts.AlreadyClosed,)
    permissions: ClassVar[dict[str, str]] = {
        "list": "alerts.view",
        "retrieve": "alerts.view",
        "acknowledge": "alerts.manage",
        "mute": "alerts.manage",
    }

    def within(self, rows: QuerySet[Alert]) -> QuerySet[Alert]:
        """Return the alerts of the request's environments, and those of its whole workspace."""
        reach = list(self.scope.environments().values_list("pk", flat=True))
        whole = Q(environment=None, workspace=self.scope.workspace)
        return rows.filter(Q(environment__in=reach) | whole)

    @extend_schema(
        summary="Acknowledge an alert",
        request=None,
        responses={200: AlertSerializer, **refusals(403, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def acknowledge(self, request: Request, id: str) -> Response:
        """Say that somebody takes care of it; what only happened, and does not last, is over with that."""
        return self._shown(alerts.acknowledge(alert=self._to_decide(), **self.by()))

    @extend_schema(
        summary="Mute an alert",
        request=MuteSerializer,
        responses={200: AlertSerializer, **refusals(400, 403, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def mute(self, request: Request, id: str) -> Response:
        """Let it, and its like until then, be silent: no mail, and not counted."""
        alert, until = self._to_decide(), self.read(MuteSerializer)["until"]
        if until is not None and until <= timezone.now():
            raise ValidationError({"until": "This has passed."})
        return self._shown(alerts.mute(alert=alert, until=until, **self.by()))

    def _to_decide(self) -> Alert:
        alert = self.get_object()
        if alert.environment_id is None and not self.scope.at(None).can("alerts.manage"):
            raise PermissionDenied(
                "This concerns the whole workspace, and the role holds in one environment."
            )
        return alert

    def _shown(self, alert: Alert) -> Response:
        return Response(AlertSerializer(self.queryset.all().get(pk=alert.pk)).data)


class ConservationHourSerializer(serializers.ModelSerializer[ConservationHour]):
    """What one connection received in one hour, and what became of it."""

    connection = serializers.CharField(source="connection.public_id", read_only=True)
    environment = serializers.CharField(source="connection.environment.slug", read_only=True)
    equal = serializers.BooleanField(read_only=True, help_text="Whether every event of the hour has a fate.")

    class Meta:
        model = ConservationHour
        fields = (
            "connection", "environment", "hour", "received", "applied", "ignored", "superseded", "echo",
            "queued", "waiting", "refused", "dead", "discarded", "delivered", "found", "equal", "counted_at",
        )  # fmt: skip
        read_only_fields = fields


class ConservationHourFilter(RowFilter):
    """Hours of one connection, or of some time."""

    connection = filters.CharFilter(field_name="connection__public_id", help_text="Id of the connection.")
    since = filters.IsoDateTimeFilter(field_name="hour", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="hour", lookup_expr="lt")

    class Meta:
        model = ConservationHour
        fields = ()


@extend_schema(tags=["health"])
@extend_schema_view(
    list=extend_schema(
        summary="List the hourly count",
        description="received is the sum of the fates, or something was lost; newest first.",
        parameters=[WITHIN],
        responses={200: ConservationHourSerializer(many=True), **refusals(400)},
    ),
)
class ConservationViewSet(mixins.ListModelMixin, ScopedViewSet[ConservationHour]):
    """The hourly count."""

    queryset = ConservationHour.objects.select_related("connection__environment")
    serializer_class = ConservationHourSerializer
    filterset_class = ConservationHourFilter
    environment_at = "connection__environment"
    permissions: ClassVar[dict[str, str]] = {"list": "health.view"}


router = SimpleRouter()
router.register("alerts", AlertViewSet, basename="alert")
router.register("conservation", ConservationViewSet, basename="conservation")
