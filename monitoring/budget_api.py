"""This module is the REST interface of API budgets: look, ask what if, keep calls back, say who is first."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from connectors.models import Connection
from flows.models import FlowPriority
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from monitoring import planner
from monitoring.planning import FULL, GATHERED, Change


class BudgetOfConnectionSerializer(serializers.ModelSerializer[Connection]):
    """How many calls of 24 hours a connection's system allows, and how many it said are used."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="environment.slug", read_only=True)

    class Meta:
        model = Connection
        fields: tuple[str, ...] = ("id", "environment", "system", "name", "api_used", "api_limit")
        read_only_fields: tuple[str, ...] = fields


class SpenderSerializer(serializers.Serializer[Any]):
    """A flow with what it costs; `flow` is empty for what no flow asks for."""

    flow = serializers.CharField(source="key")
    name = serializers.CharField()
    priority = serializers.ChoiceField(choices=FlowPriority.Priority.choices)
    calls_last_day = serializers.IntegerField(source="day")
    calls_usual_day = serializers.FloatField(source="measured.calls")
    runs_usual_day = serializers.FloatField(source="measured.runs")
    calls_for_100_runs = serializers.FloatField(source="measured.calls_for_100", allow_null=True)
    records_a_call = serializers.FloatField(source="measured.records_a_call", allow_null=True)


class ForecastPointSerializer(serializers.Serializer[Any]):
    """How many calls of 24 hours will be used at a moment."""

    at = serializers.DateTimeField()
    used = serializers.IntegerField()


class CallForecastSerializer(serializers.Serializer[Any]):
    """What is used, and will be, hour by hour."""

    used = serializers.IntegerField(source="allowance.used")
    limit = serializers.IntegerField(source="allowance.limit")
    ours = serializers.IntegerField(
        source="allowance.ours", help_text="Of the limit; the rest is for people."
    )
    left = serializers.IntegerField(source="allowance.left")
    counted = serializers.IntegerField(help_text="Calls of the last 24 hours that were ours.")
    others = serializers.IntegerField()
    most = ForecastPointSerializer(source="forecast.most")
    reached_at = serializers.DateTimeField(
        source="forecast.reached_at",
        allow_null=True,
        help_text="When what is ours is used up; null: not within a day.",
    )
    is_guess = serializers.BooleanField(source="forecast.is_guess", help_text="Counted for less than a day.")
    points = ForecastPointSerializer(source="forecast.points", many=True)


class BudgetSerializer(BudgetOfConnectionSerializer):
    """The whole budget of a connection."""

    reserve_percent = serializers.FloatField(help_text="Kept for people.")
    forecast = CallForecastSerializer(allow_null=True, help_text="null: no limit by the day is known.")
    flows = SpenderSerializer(many=True)

    class Meta(BudgetOfConnectionSerializer.Meta):
        fields = (*BudgetOfConnectionSerializer.Meta.fields, "reserve_percent", "forecast", "flows")
        read_only_fields = fields


class WhatIfSerializer(serializers.Serializer[Any]):
    """A change of a flow, to be reckoned with."""

    flow = serializers.CharField(max_length=24, help_text="Id of the flow.")
    volume = serializers.FloatField(min_value=0, max_value=1000, default=1.0, help_text="Times the runs.")
    reads = serializers.IntegerField(min_value=0, max_value=100, default=0, help_text="More look-ups a run.")
    writes = serializers.IntegerField(min_value=0, max_value=100, default=0, help_text="More records a run.")
    most = serializers.IntegerField(min_value=1, max_value=FULL, default=FULL, help_text="Records a call.")
    gathered = serializers.FloatField(
        min_value=0, max_value=3600, default=GATHERED, help_text="Seconds for which records are gathered."
    )


class WhatIfAnswerSerializer(serializers.Serializer[Any]):
    """Calls a day: now, and with the change, between two bounds."""

    now = serializers.IntegerField(source="reckoned.now")
    least = serializers.IntegerField(source="reckoned.least")
    likely = serializers.IntegerField(source="reckoned.likely")
    most = serializers.IntegerField(source="reckoned.most")
    together = serializers.IntegerField(allow_null=True, help_text="All calls of the org with it.")
    ours = serializers.IntegerField(allow_null=True)
    fits = serializers.BooleanField()


class ReserveSerializer(serializers.Serializer[Any]):
    """Which part of the org's calls is kept for people."""

    percent = serializers.FloatField(min_value=0, max_value=planner.LARGEST_RESERVE)


class PrioritySerializer(serializers.Serializer[Any]):
    """How a flow fares where calls run short."""

    flow = serializers.CharField(max_length=24, help_text="Id of the flow.")
    priority = serializers.ChoiceField(choices=FlowPriority.Priority.choices)


class BudgetFilter(RowFilter):
    """Budgets by system."""

    class Meta:
        model = Connection
        fields = ("system",)


@extend_schema(tags=["budgets"])
@extend_schema_view(
    list=extend_schema(
        summary="List API budgets",
        parameters=[WITHIN],
        responses={200: BudgetOfConnectionSerializer(many=True), **refusals(400)},
    ),
)
class BudgetViewSet(mixins.ListModelMixin, ScopedViewSet[Connection]):
    """What connections may ask of their systems."""

    queryset = Connection.objects.select_related("environment__workspace")
    serializer_class = BudgetOfConnectionSerializer
    filterset_class = BudgetFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {
        "list": "budgets.view",
        "retrieve": "budgets.view",
        "what_if": "budgets.view",
        "reserve": "budgets.manage",
        "priority": "budgets.manage",
    }

    @extend_schema(summary="Show an API budget", responses={200: BudgetSerializer, **refusals(404)})
    def retrieve(self, request: Request, id: str) -> Response:
        """Answer with what is used, what will be, and which flow costs how much."""
        return self._shown(self.get_object())

    @extend_schema(
        summary="Ask what a change would cost",
        request=WhatIfSerializer,
        responses={200: WhatIfAnswerSerializer, **refusals(400, 404)},
    )
    @action(methods=["POST"], detail=True, url_path="what-if")
    def what_if(self, request: Request, id: str) -> Response:
        """Reckon with a change of a flow, by what its runs have cost; nothing is changed."""
        found = planner.of_connection(self.get_object(), now=timezone.now())
        given = self.read(WhatIfSerializer)
        answer = planner.what_if(found, flow=given.pop("flow"), change=Change(**given))
        return Response(WhatIfAnswerSerializer(answer).data)

    @extend_schema(
        summary="Keep calls for people",
        request=ReserveSerializer,
        responses={200: BudgetSerializer, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def reserve(self, request: Request, id: str) -> Response:
        """Keep so many percent of the org's calls for people, and whatever else uses the org."""
        found = self.get_object()
        planner.keep_back(connection=found, percent=self.read(ReserveSerializer)["percent"], **self.by())
        return self._shown(self.get_object())

    @extend_schema(
        summary="Give a flow a priority",
        request=PrioritySerializer,
        responses={200: BudgetSerializer, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def priority(self, request: Request, id: str) -> Response:
        """Say how a flow fares where calls run short: low waits first, high goes on to the end."""
        found = planner.of_connection(self.get_object(), now=timezone.now())
        planner.prefer(budget=found, **self.read(PrioritySerializer), **self.by())
        return self._shown(self.get_object())

    def _shown(self, connection: Connection) -> Response:
        found = planner.of_connection(connection, now=timezone.now())
        told = {
            **BudgetOfConnectionSerializer(connection).data,
            "reserve_percent": found.reserve_percent,
            "forecast": CallForecastSerializer(found.outlook).data if found.outlook else None,
            "flows": SpenderSerializer(found.spenders, many=True).data,
        }
        return Response(told)


router = SimpleRouter()
router.register("budgets", BudgetViewSet, basename="budget")
