"""This module is the REST interface of the inbox: every event that came in, with its fate."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError

from connectors.models import Connection
from flows import payloads
from flows.models import Event, Fate
from flows.queries import OUT_OF_ORDER, first_id
from integrator.accounts.access import Scope
from integrator.accounts.rest import NUMBER, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact


class EventSerializer(serializers.ModelSerializer[Event]):
    """What arrived, and how it ended."""

    connection = serializers.SlugRelatedField[Any](slug_field="public_id", read_only=True)
    environment = serializers.CharField(source="connection.environment.slug", read_only=True)

    class Meta:
        model = Event
        fields = (
            "id", "external_id", "connection", "environment", "origin", "type", "api_version", "account",
            "livemode", "object_id", "happened_at", "received_at", "dispatched_at", "fate", "fate_reason",
            "unreadable",
        )  # fmt: skip
        read_only_fields = fields


class RunOfEventSerializer(serializers.Serializer[Any]):
    """A run that the event started."""

    id = serializers.CharField(source="public_id")
    flow = serializers.CharField(source="flow.public_id")
    state = serializers.CharField()
    fate = serializers.CharField()


class EventDetailSerializer(EventSerializer):
    """An event with its body and its runs."""

    body = serializers.SerializerMethodField(
        help_text="The body, without secrets; null without the permission to see payloads, or if unreadable."
    )
    runs = RunOfEventSerializer(many=True, read_only=True)

    class Meta:
        model = Event
        fields = (*EventSerializer.Meta.fields, "body", "runs")
        read_only_fields = fields

    def get_body(self, event: Event) -> dict[str, Any] | None:
        """Return the opened body, for those who may see payloads."""
        scope: Scope = self.context["view"].scope
        if not scope.can("runs.payload"):
            return None
        try:
            opened = payloads.open_body(event.body, connection_id=event.connection_id)
        except payloads.Unreadable:
            return None
        masked: dict[str, Any] = redact(opened)
        return masked


class EventFilter(RowFilter):
    """Events by what they are, where they came from, when, and how they ended."""

    external_id = filters.CharFilter(help_text="The sender's own id, such as evt_....")
    object_id = filters.CharFilter(help_text="The object that the event is about, such as pi_....")
    type = filters.CharFilter(help_text="Such as charge.succeeded.")
    fate = filters.ChoiceFilter(choices=Fate.choices)
    connection = filters.CharFilter(field_name="connection__public_id", help_text="Id of the connection.")
    received_after = filters.IsoDateTimeFilter(method="from_then_on", help_text="Not before this moment.")
    received_before = filters.IsoDateTimeFilter(method="until_then", help_text="Before this moment.")

    class Meta:
        model = Event
        fields = ()

    def from_then_on(self, rows: QuerySet[Event], name: str, moment: datetime) -> QuerySet[Event]:
        """Return what was received at `moment` or later."""
        _check_moment(name, moment)
        return rows.filter(received_at__gte=moment, pk__gte=first_id(Event, "received_at", moment))

    def until_then(self, rows: QuerySet[Event], name: str, moment: datetime) -> QuerySet[Event]:
        """Return what was received before `moment`."""
        _check_moment(name, moment)
        beyond = first_id(Event, "received_at", moment + 2 * OUT_OF_ORDER)
        return rows.filter(received_at__lt=moment, pk__lte=beyond)


def _check_moment(name: str, moment: datetime) -> None:
    # Neither Python nor the databases can reckon at the ends of time.
    if not 2000 <= moment.year <= 2100:
        raise ValidationError({name: "A moment between the years 2000 and 2100."})


@extend_schema(tags=["events"])
@extend_schema_view(
    list=extend_schema(
        summary="List events",
        description="Every event that was acknowledged is here, newest first, with its one visible fate.",
        parameters=[WITHIN],
        responses={200: EventSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show an event",
        description="The body is shown only to roles that may see payloads, with secrets masked.",
        responses={200: EventDetailSerializer, **refusals(404)},
    ),
)
class EventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Event]):
    """The inbox."""

    queryset = Event.objects.select_related("connection__environment")
    filterset_class = EventFilter
    lookup_url_kwarg = "id"
    lookup_value_regex = NUMBER
    permissions: ClassVar[dict[str, str]] = {"list": "runs.view", "retrieve": "runs.view"}

    def within(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        """Return the events of the connections that the request may reach."""
        reach = list(self.scope.environments().values_list("pk", flat=True))
        if not Connection.objects.filter(environment__in=reach).exists():
            return rows.none()  # otherwise every event of the others would be looked at in vain
        # Through the environment and not by the ids of connections, for which SQLite would sort all events.
        return rows.filter(connection__environment__in=reach)

    def get_queryset(self) -> Any:
        """Return the events; a list reads no bodies."""
        rows = super().get_queryset()
        return rows.prefetch_related("runs__flow") if self.action == "retrieve" else rows.defer("body")

    def get_serializer_class(self) -> type[EventSerializer]:
        """Return the longer form for one event."""
        return EventDetailSerializer if self.action == "retrieve" else EventSerializer
