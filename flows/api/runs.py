"""This module is the REST interface of runs, with their attempts and traces."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from django.db.models import F, Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers

from flows.models import Attempt, Event, Fate, Mending, Pair, Run
from integrator import vault
from integrator.accounts.access import Scope
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact


class EventOfRunSerializer(serializers.ModelSerializer[Event]):
    """The event that a run handles."""

    class Meta:
        model = Event
        fields = ("id", "external_id", "type", "object_id")
        read_only_fields = fields


class RunSerializer(serializers.ModelSerializer[Run]):
    """One flow version's handling of one event."""

    id = serializers.CharField(source="public_id", read_only=True)
    flow = serializers.SlugRelatedField[Any](slug_field="public_id", read_only=True)
    version = serializers.SlugRelatedField[Any](slug_field="number", read_only=True)
    environment = serializers.CharField(source="pair.environment.slug", read_only=True)
    event = EventOfRunSerializer(read_only=True)

    class Meta:
        model = Run
        fields = (
            "id", "flow", "version", "environment", "event", "subject", "replay", "state", "fate", "reason",
            "attempts", "mended", "amount", "currency", "created_at", "next_attempt_at", "first_failed_at",
            "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One try of a run; its trace tells every step's input and output."""

    trace = serializers.SerializerMethodField(
        help_text="The steps, without secrets; null without the permission to see payloads."
    )

    class Meta:
        model = Attempt
        fields = ("started_at", "finished_at", "outcome", "trace")
        read_only_fields = fields

    def get_trace(self, attempt: Attempt) -> list[dict[str, Any]] | None:
        """Return the opened trace, for those who may see payloads."""
        scope: Scope = self.context["view"].scope
        if not scope.can("runs.payload"):
            return None
        try:
            opened = vault.unseal(attempt.trace, owner=f"trace:{attempt.run_id}")
        except vault.Unreadable:
            return None
        masked: list[dict[str, Any]] = redact(msgspec.json.decode(opened))
        return masked


class MendingSerializer(serializers.ModelSerializer[Mending]):
    """What a person, or a saved fix, has changed for a run."""

    saved_fix = serializers.CharField(source="saved_fix.public_id", default=None, allow_null=True)

    class Meta:
        model = Mending
        fields = ("kind", "paths", "actor", "reason", "saved_fix", "created_at")
        read_only_fields = fields


class RunDetailSerializer(RunSerializer):
    """A run with its attempts."""

    tries = AttemptSerializer(many=True, read_only=True)
    mendings = MendingSerializer(many=True, read_only=True)

    class Meta:
        model = Run
        fields = (*RunSerializer.Meta.fields, "tries", "mendings")
        read_only_fields = fields


class RunFilter(RowFilter):
    """Runs by where they are, how they ended, and what they are about."""

    state = filters.ChoiceFilter(choices=Run.State.choices)
    fate = filters.ChoiceFilter(choices=Fate.choices)
    flow = filters.CharFilter(field_name="flow__public_id", help_text="Id of the flow.")
    external_id = filters.CharFilter(field_name="event__external_id", help_text="The event's own id.")
    object_id = filters.CharFilter(
        method="about", help_text="Such as pi_..., or the id of a record whose change started them."
    )

    class Meta:
        model = Run
        fields = ()

    def about(self, rows: QuerySet[Run], name: str, wanted: str) -> QuerySet[Run]:
        """Return the runs about one object or record; an event may name many records."""
        return rows.filter(Q(event__object_id=wanted) | Q(lane__key=f"salesforce:{wanted}"))


@extend_schema(tags=["runs"])
@extend_schema_view(
    list=extend_schema(
        summary="List runs",
        description="What the flows made of the events, newest first.",
        parameters=[WITHIN],
        responses={200: RunSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a run",
        description="With every attempt and, for roles that may see payloads, every step's input and output.",
        responses={200: RunDetailSerializer, **refusals(404)},
    ),
)
class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Run]):
    """Runs."""

    queryset = Run.objects.select_related("flow", "version", "pair__environment", "event")
    filterset_class = RunFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {"list": "runs.view", "retrieve": "runs.view"}

    def within(self, rows: QuerySet[Run]) -> QuerySet[Run]:
        """Return the runs of the pairs that the request may reach."""
        pairs = list(
            Pair.objects.filter(environment__in=self.scope.environments()).values_list("pk", flat=True)
        )
        if not pairs:
            return rows.none()
        # Adding nothing keeps SQLite from reading all runs pair by pair, only to sort them by id.
        return rows.alias(place=F("pair_id") + 0).filter(place__in=pairs)

    def get_queryset(self) -> Any:
        """Return the runs, without what nobody reads of their event and version."""
        rows = super().get_queryset().defer("event__body", "version__document")
        return rows.prefetch_related("tries", "mendings__saved_fix") if self.action == "retrieve" else rows

    def get_serializer_class(self) -> type[RunSerializer]:
        """Return the longer form for one run."""
        return RunDetailSerializer if self.action == "retrieve" else RunSerializer
