"""This module is the REST interface of known events, and of the series that are watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection
from integrator.accounts.access import Scope
from integrator.accounts.rest import PUBLIC_ID, WITHIN, ScopedViewSet, refusals
from monitoring import anomaly_decisions, watching
from monitoring.alert_api import router
from monitoring.anomaly_knobs import SENSITIVITIES
from monitoring.anomaly_models import KnownEvent, Series
from monitoring.detection import KEYS


class KnownEventSerializer(serializers.ModelSerializer[KnownEvent]):
    """Something that is known to be unusual, once or again and again: it is neither told nor learnt from."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="environment.slug", read_only=True)
    connection = serializers.CharField(source="connection.public_id", read_only=True, default=None)
    flow = serializers.CharField(source="flow_series.flow.public_id", read_only=True, default=None)

    class Meta:
        model = KnownEvent
        fields = (
            "id", "environment", "connection", "flow", "name", "metric", "begins", "ends", "repeats",
            "last_day", "made_by", "made_at",
        )  # fmt: skip
        read_only_fields = fields


class KnownEventInputSerializer(serializers.Serializer[Any]):
    """Something unusual that is to come, and is not to be told."""

    environment = serializers.CharField(required=False, help_text="Its slug; needed without a connection.")
    connection = serializers.CharField(
        required=False, allow_null=True, help_text="Id of a connection; empty: all of the environment."
    )
    name = serializers.CharField(max_length=100, default="", allow_blank=True)
    metric = serializers.ChoiceField(
        choices=list(anomaly_decisions.METRICS), default="", help_text="Empty: everything that is watched."
    )
    begins = serializers.DateTimeField()
    ends = serializers.DateTimeField()
    repeats = serializers.ChoiceField(
        choices=KnownEvent.Repeats.values, default="", help_text="Empty: once. By the workspace's own clock."
    )
    last_day = serializers.DateField(allow_null=True, default=None, help_text="Of what repeats.")


def named(told: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """
    Return what a program wrote, with the connection and environment that it names.

    :raises ValidationError: if it names none that is here
    """
    found = dict(told)
    slug, public_id = found.pop("environment", None), found.pop("connection", None)
    connection = None
    if public_id:
        rows = Connection.objects.filter(environment__in=scope.environments(), public_id=public_id)
        connection = rows.select_related("environment__workspace").first()
        if connection is None:
            raise Http404
        return {**found, "connection": connection, "environment": connection.environment}
    here = scope.environments().filter(slug=slug).select_related("workspace").first() if slug else None
    if here is None:
        raise ValidationError({"environment": "Name a connection or an environment that is here."})
    return {**found, "connection": None, "environment": here}


@extend_schema(tags=["alerts"])
@extend_schema_view(
    list=extend_schema(
        summary="List known events",
        description="The calendar of what is not told though it is unusual; what is muted stands here, too.",
        parameters=[WITHIN],
        responses={200: KnownEventSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a known event", responses={200: KnownEventSerializer, **refusals(404)}
    ),
)
class KnownEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[KnownEvent]):
    """Known events."""

    queryset = KnownEvent.objects.select_related(
        "environment__workspace", "connection", "flow_series__flow"
    ).order_by("-id")
    serializer_class = KnownEventSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {
        "list": "alerts.view",
        "retrieve": "alerts.view",
        "create": "alerts.manage",
        "update": "alerts.manage",
        "destroy": "alerts.manage",
    }

    @extend_schema(
        summary="Announce a known event",
        request=KnownEventInputSerializer,
        responses={201: KnownEventSerializer, **refusals(400, 403, 404)},
    )
    def create(self, request: Request) -> Response:
        """Say that a promotion, a billing run or the like is to come, once, every week or every month."""
        told = named(self.read(KnownEventInputSerializer), self.scope)
        event = anomaly_decisions.announce(**told, **self.by())
        return Response(KnownEventSerializer(event).data, status=201)

    @extend_schema(
        summary="Change a known event",
        request=KnownEventInputSerializer,
        responses={200: KnownEventSerializer, **refusals(400, 403, 404)},
    )
    def update(self, request: Request, id: str) -> Response:
        """Say anew what it is; it stays in its environment."""
        event = self.get_object()
        told = dict(self.read(KnownEventInputSerializer))
        if not told.get("connection"):
            told["environment"] = event.environment.slug
        told = named(told, self.scope)
        if told.pop("environment").pk != event.environment_id:
            raise ValidationError({"connection": "It belongs to another environment."})
        return Response(KnownEventSerializer(anomaly_decisions.change(event=event, **told, **self.by())).data)

    @extend_schema(summary="Take a known event back", responses={204: None, **refusals(403, 404)})
    def destroy(self, request: Request, id: str) -> Response:
        """It is over with it: what is unusual is told again at once."""
        anomaly_decisions.take_back(event=self.get_object(), **self.by())
        return Response(status=204)


class KeennessSerializer(serializers.Serializer[Any]):
    """How keenly one thing of a series is watched."""

    key = serializers.CharField()
    words = serializers.CharField()
    sensitivity = serializers.CharField(source="chosen")
    raised = serializers.FloatField(
        help_text="Standard deviations that 'not an anomaly' adds now; half of it is left after 30 days."
    )


class AnomalySeriesSerializer(serializers.Serializer[Any]):
    """A connection or a flow whose five minutes are compared with what is usual."""

    id = serializers.CharField()
    name = serializers.CharField()
    environment = serializers.CharField(source="connection.environment.slug")
    connection = serializers.CharField(source="connection.public_id")
    flow = serializers.CharField(allow_null=True)
    days = serializers.FloatField(
        help_text="Days that were looked at: two until something is told, seven until all is."
    )
    learning = serializers.BooleanField()
    open = serializers.IntegerField(help_text="Anomalies that go on.")
    metrics = serializers.ListField(child=serializers.CharField())
    seen_until = serializers.DateTimeField(source="row.seen_until")
    watching = KeennessSerializer(many=True, source="keenness")


class BandSerializer(serializers.Serializer[Any]):
    """What was measured in five minutes, and what is usual then; empty where that was not known."""

    at = serializers.DateTimeField()
    value = serializers.FloatField()
    expected = serializers.FloatField(allow_null=True)
    lo = serializers.FloatField(allow_null=True)
    hi = serializers.FloatField(allow_null=True)


class ChooseKeennessSerializer(serializers.Serializer[Any]):
    """How keenly to watch one thing, and whether to forget what was called no anomaly."""

    key = serializers.ChoiceField(choices=list(KEYS))
    sensitivity = serializers.ChoiceField(choices=list(SENSITIVITIES), required=False)
    forget_feedback = serializers.BooleanField(default=False)


@extend_schema(tags=["alerts"])
class AnomalySeriesViewSet(ScopedViewSet[Series]):
    """Series that are watched."""

    queryset = Series.objects.all()
    serializer_class = AnomalySeriesSerializer
    environment_at = "connection__environment"
    pagination_class = None  # there are as many as connections and live flows
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {
        "list": "alerts.view",
        "retrieve": "alerts.view",
        "bins": "alerts.view",
        "choose": "alerts.manage",
        "learn": "alerts.manage",
    }

    def _found(self, id: str) -> watching.Watched:
        found = next((one for one in watching.every(self.scope.environments()) if one.id == id), None)
        if found is None:
            raise Http404
        return found

    @extend_schema(
        operation_id="anomaly_series_list",
        summary="List what is watched",
        parameters=[WITHIN],
        responses={200: AnomalySeriesSerializer(many=True), **refusals(400)},
        filters=False,
    )
    def list(self, request: Request) -> Response:
        """Each connection, followed by its flows, with how keenly each thing of it is watched."""
        rows = watching.every(self.scope.environments())
        return Response(AnomalySeriesSerializer(rows, many=True).data)

    @extend_schema(
        summary="Show what is watched of a series",
        responses={200: AnomalySeriesSerializer, **refusals(404)},
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """One series; its id is that of the connection, or its own for a flow."""
        return Response(AnomalySeriesSerializer(self._found(id)).data)

    @extend_schema(
        summary="Show what was measured in 24 hours",
        parameters=[
            OpenApiParameter("metric", str, description="One of the series' metrics.", required=True)
        ],
        responses={200: BandSerializer(many=True), **refusals(400, 404)},
    )
    @action(methods=["GET"], detail=True)
    def bins(self, request: Request, id: str) -> Response:
        """What was measured in each five minutes of a day, with what is usual."""
        found, metric = self._found(id), request.query_params.get("metric", "")
        if metric not in found.metrics:
            raise ValidationError({"metric": f"One of {', '.join(found.metrics)}."})
        rows = found.points(metric, now=timezone.now())
        return Response(BandSerializer([one._asdict() for one in rows], many=True).data)

    @extend_schema(
        summary="Choose how keenly something is watched",
        request=ChooseKeennessSerializer,
        responses={200: AnomalySeriesSerializer, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def choose(self, request: Request, id: str) -> Response:
        """Keen, usual, calm or off; and forget what people called no anomaly, if that is asked for."""
        found, told = self._found(id), self.read(ChooseKeennessSerializer)
        if word := told.get("sensitivity"):
            anomaly_decisions.choose(watched=found.row, key=told["key"], sensitivity=word, **self.by())
        if told["forget_feedback"]:
            anomaly_decisions.as_keen_as_before(watched=found.row, key=told["key"], **self.by())
        return Response(AnomalySeriesSerializer(self._found(id)).data)

    @extend_schema(
        summary="Learn anew what is usual",
        request=None,
        responses={200: AnomalySeriesSerializer, **refusals(403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def learn(self, request: Request, id: str) -> Response:
        """Forget what is usual, and learn it from up to four weeks of what is stored."""
        anomaly_decisions.learn_anew(watched=self._found(id).row, **self.by())
        return Response(AnomalySeriesSerializer(self._found(id)).data)


__all__ = ["AnomalySeriesViewSet", "KnownEventViewSet", "router"]

router.register("known-events", KnownEventViewSet, basename="known-event")
router.register("anomaly-series", AnomalySeriesViewSet, basename="anomaly-series")
