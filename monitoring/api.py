"""This module is the REST interface of health: how things stand, as figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.urls import URLPattern, URLResolver, path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connectors.models import Connection
from flows import queries
from integrator.accounts.access import Scope, scope_of
from integrator.accounts.rest import WITHIN, refusals
from monitoring import budget_api, standing
from monitoring.channel_api import router
from monitoring.payment_api import PaymentStandingSerializer, standings
from monitoring.status_api import Status


class HealthOfConnectionSerializer(serializers.ModelSerializer[Connection]):
    """Whether a connection works."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="environment.slug", read_only=True)

    class Meta:
        model = Connection
        fields = (
            "id", "environment", "system", "name", "state", "state_reason", "paused_until",
            "last_success_at", "last_failure_at", "api_used", "api_limit",
        )  # fmt: skip
        read_only_fields = fields


class WorkersSerializer(serializers.Serializer[Any]):
    """The workers of the whole installation."""

    alive = serializers.IntegerField()
    last_claim_at = serializers.DateTimeField(allow_null=True)


class HealthSerializer(serializers.Serializer[Any]):
    """How things stand in the workspace, or in one environment of it."""

    at = serializers.DateTimeField(help_text="When the rest of this was true.")
    counted_at = serializers.DateTimeField(
        help_text="When the events were counted. Counts are exact; with millions of events they may be as old"
        " as ten times what counting takes."
    )
    received = serializers.IntegerField(help_text="All events; the sum of the fates.")
    fates = serializers.DictField(child=serializers.IntegerField(), help_text="Events by fate.")
    undispatched = serializers.IntegerField(help_text="Events that no worker has looked at yet.")
    oldest_waiting_seconds = serializers.FloatField(
        allow_null=True,
        help_text="For how long the oldest event or due run of the installation has waited for a worker.",
    )
    dead_letters = serializers.IntegerField(help_text="Those that wait for a person.")
    payments = PaymentStandingSerializer(many=True, help_text="Money by currency, today and in 30 days.")
    workers = WorkersSerializer()
    connections = HealthOfConnectionSerializer(many=True)


class Health(APIView):
    """How things stand."""

    permissions: ClassVar[dict[str, str]] = {"get": "health.view"}

    @extend_schema(
        tags=["health"],
        operation_id="health_retrieve",
        summary="Show how things stand",
        parameters=[WITHIN],
        responses={200: HealthSerializer, **refusals(401, 404)},
    )
    def get(self, request: Request) -> Response:
        """Answer with counts by fate, what waits, workers and connections, at any load."""
        now = timezone.now()
        return Response(HealthSerializer(_health(scope_of(request._request), now)).data)


def _health(scope: Scope, now: datetime) -> Mapping[str, Any]:
    environments = list(scope.environments())
    counts = standing.counts(environments, now=now)
    progress = queries.progress()
    connections = list(Connection.objects.filter(environment__in=environments).select_related("environment"))
    waiting = progress.oldest_ready_at
    return {
        "at": now,
        "counted_at": counts.at,
        "received": sum(counts.fates.values()),
        "fates": counts.fates,
        "undispatched": counts.undispatched,
        "oldest_waiting_seconds": (now - waiting).total_seconds() if waiting else None,
        "dead_letters": counts.dead_letters,
        "payments": standings(connections, scope.workspace),
        "workers": {"alive": progress.workers, "last_claim_at": progress.last_claim_at},
        "connections": connections,
    }


urlpatterns: list[URLPattern | URLResolver] = [
    path("health/", Health.as_view(), name="health"),
    path("status/", Status.as_view(), name="status_api"),
    *router.urls,
    *budget_api.router.urls,
]
