"""This module is the REST interface of the inbox: every event that came in, with its fate."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers

from flows import finding, narrowing, payloads
from flows.api.stretches import check_moment, place_of, reader_between
from flows.models import Event, Fate
from integrator.accounts.access import Scope
from integrator.accounts.rest import NUMBER, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact
from integrator.web import Reader, beyond


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

    q = filters.CharFilter(
        method="any_id",
        max_length=narrowing.LONGEST,
        help_text="Any id: of the event, one of its runs, a dead letter, an object or a record.",
    )
    external_id = filters.CharFilter(help_text="The sender's own id, such as evt_....")
    object_id = filters.CharFilter(help_text="The object that the event is about, such as pi_....")
    type = filters.CharFilter(help_text="Such as charge.succeeded.")
    fate = filters.ChoiceFilter(choices=Fate.choices)
    came = filters.ChoiceFilter(
        method="in_that_way",
        choices=[(key, words) for key, (words, _) in narrowing.CAME.items()],
        help_text="delivered as it happened, or found in Stripe's list of events although a flow wanted it.",
    )
    connection = filters.CharFilter(field_name="connection__public_id", help_text="Id of the connection.")
    received_after = filters.IsoDateTimeFilter(method="from_then_on", help_text="Not before this moment.")
    received_before = filters.IsoDateTimeFilter(method="until_then", help_text="Before this moment.")
    handled_after = filters.IsoDateTimeFilter(
        method="taken_up_since", help_text="Taken up by a worker at this moment or later."
    )

    class Meta:
        model = Event
        fields = ()

    def any_id(self, rows: QuerySet[Event], name: str, wanted: str) -> QuerySet[Event]:
        """Return the events that an id leads to."""
        return rows.filter(pk__in=finding.find(wanted.strip(), place_of(self.request)).events)

    def in_that_way(self, rows: QuerySet[Event], name: str, wanted: str) -> QuerySet[Event]:
        """Return the events that came in one way."""
        return rows.filter(narrowing.CAME[wanted][1])

    def from_then_on(self, rows: QuerySet[Event], name: str, moment: datetime) -> QuerySet[Event]:
        """Return what was received at `moment` or later."""
        check_moment(name, moment)
        return rows.filter(received_at__gte=moment)

    def taken_up_since(self, rows: QuerySet[Event], name: str, moment: datetime) -> QuerySet[Event]:
        """Return what a worker took up at `moment` or later."""
        check_moment(name, moment)
        return rows.filter(dispatched_at__gte=moment)

    def until_then(self, rows: QuerySet[Event], name: str, moment: datetime) -> QuerySet[Event]:
        """Return what was received before `moment`."""
        check_moment(name, moment)
        return rows.filter(received_at__lt=moment)


@extend_schema(tags=["events"])
@extend_schema_view(
    list=extend_schema(
        summary="List events",
        description="Every event that was acknowledged is here, newest first, with its one visible fate. "
        "Where few of many fit, a page may hold fewer rows than asked for, while `next` tells where to look "
        "further.",
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

    @property
    def reader(self) -> Reader[Event]:
        """Return what reads a page: in steps, unless an index leads to the rows."""
        asked = self.request.query_params
        if asked.get("q") or asked.get("object_id") or asked.get("external_id"):
            return beyond
        return reader_between(Event, "received_at", asked, after="received_after", before="received_before")

    def within(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        """Return the events of the connections that the request may reach."""
        connections = place_of(self.request).connections
        if self.request.query_params.get("fate"):  # of which there is an index with the connection
            return rows.filter(connection__in=connections)
        return finding.within(rows, "connection_id", connections)

    def get_queryset(self) -> Any:
        """Return the events; a list reads no bodies."""
        rows = super().get_queryset()
        return rows.prefetch_related("runs__flow") if self.action == "retrieve" else rows.defer("body")

    def get_serializer_class(self) -> type[EventSerializer]:
        """Return the longer form for one event."""
        return EventDetailSerializer if self.action == "retrieve" else EventSerializer
