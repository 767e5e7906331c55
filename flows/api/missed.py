"""This module is the REST interface of looking for missed events at a Stripe connection."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection
from flows import missed
from integrator.accounts.rest import ScopedViewSet, refusals
from integrator.kernel.redact import redact_text


class SweepSerializer(serializers.Serializer[Any]):
    """How the comparison of one type of object stands."""

    object_type = serializers.CharField()
    under_way = serializers.BooleanField()
    compared = serializers.IntegerField(help_text="Objects that the last comparison looked at.")
    found = serializers.IntegerField(help_text="Those that were otherwise than when they were last handled.")
    last = serializers.DateTimeField(allow_null=True, help_text="When the last one began that is through.")
    failure = serializers.SerializerMethodField()

    def get_failure(self, sweep: missed.Sweep) -> str:
        """Return what went wrong, without secrets."""
        return redact_text(sweep.failure)


class MissedEventsSerializer(serializers.Serializer[Any]):
    """How missed events are looked for, and what was found."""

    walk_only = serializers.BooleanField(help_text="Nothing is delivered: the list is read every 30 seconds.")
    walk_minutes = serializers.IntegerField(help_text="Minutes between two looks at Stripe's list of events.")
    sweep_days = serializers.IntegerField(help_text="Days of objects that are compared every day; 0: none.")
    sweep_hour = serializers.IntegerField(help_text="The hour of the day, by UTC, when they are compared.")
    last_walk = serializers.DateTimeField(allow_null=True)
    next_walk = serializers.DateTimeField(allow_null=True, help_text="Null while the connection is not read.")
    reached = serializers.DateTimeField(allow_null=True, help_text="Up to here every event was looked at.")
    failure = serializers.SerializerMethodField(help_text="Why the last look failed; empty if it did not.")
    asked_since = serializers.DateTimeField(allow_null=True, help_text="Where a catch-up has come to.")
    recovered = serializers.IntegerField(
        help_text="Events found by the list alone in the last 24 hours, without those that no flow wants."
    )
    found_changed = serializers.IntegerField(help_text="Objects found changed in the last 24 hours.")
    sweeps = SweepSerializer(many=True)

    def get_failure(self, standing: missed.Standing) -> str:
        """Return what went wrong, without secrets."""
        return redact_text(standing.failure)


class LookingSerializer(serializers.Serializer[Any]):
    """How missed events are to be looked for; what is left out stays as it is."""

    walk_only = serializers.BooleanField(required=False)
    walk_minutes = serializers.IntegerField(required=False, min_value=1, max_value=missed.LONGEST_WALK)
    sweep_days = serializers.IntegerField(required=False, min_value=0, max_value=missed.MOST_DAYS)
    sweep_hour = serializers.IntegerField(required=False, min_value=0, max_value=missed.LAST_HOUR)


class SinceSerializer(serializers.Serializer[Any]):
    """From when on."""

    since = serializers.DateTimeField(required=False, allow_null=True, default=None)


@extend_schema(tags=["connections"])
class MissedEventsViewSet(ScopedViewSet[Connection]):
    """What Stripe did not deliver, or never told."""

    queryset = Connection.objects.filter(system=Connection.System.STRIPE).select_related(
        "environment__workspace"
    )
    serializer_class = MissedEventsSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    permissions: ClassVar[dict[str, str]] = {
        "retrieve": "connections.view",
        "partial_update": "connections.manage",
        "catch_up": "events.catch_up",
        "compare": "events.catch_up",
    }

    @extend_schema(summary="Show what was missed", responses={200: MissedEventsSerializer, **refusals(404)})
    def retrieve(self, request: Request, id: str) -> Response:
        """Show when Stripe's lists were read, and what was found."""
        return self._shown()

    @extend_schema(
        summary="Set how missed events are looked for",
        request=LookingSerializer,
        responses={200: MissedEventsSerializer, **refusals(400, 403, 404)},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Set how often the list of events is read, and how many days of objects are compared."""
        given = self.read(LookingSerializer)
        connection = self.get_object()
        missed.configure(connection=connection, **given, **self.by())
        return self._shown()

    @extend_schema(
        summary="Look for missed events",
        request=SinceSerializer,
        responses={200: MissedEventsSerializer, **refusals(400, 403, 404)},
    )
    def catch_up(self, request: Request, id: str) -> Response:
        """Read Stripe's list of events as soon as possible: from `since` on, at most 30 days back."""
        given = self.read(SinceSerializer)
        connection = self.get_object()
        missed.catch_up(connection=connection, **given, **self.by())
        return self._shown()

    @extend_schema(
        summary="Compare objects",
        request=SinceSerializer,
        responses={200: MissedEventsSerializer, **refusals(400, 403, 404)},
    )
    def compare(self, request: Request, id: str) -> Response:
        """Compare the objects that were created since then with what was last handled, without effects."""
        given = self.read(SinceSerializer)
        connection = self.get_object()
        missed.compare(connection=connection, **given, **self.by())
        return self._shown()

    def _shown(self) -> Response:
        standing = missed.standing(self.get_object(), now=timezone.now())
        return Response(MissedEventsSerializer(standing).data)
