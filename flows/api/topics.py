"""This module is the REST interface of the topics that a connection to Salesforce listens to."""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection, Topic
from flows import topics
from integrator.accounts.rest import ScopedViewSet, refusals
from integrator.kernel.redact import redact_text


class TopicSerializer(serializers.Serializer[Any]):
    """One topic of an org's event bus, and how far it was heard."""

    id = serializers.IntegerField(source="topic.pk")
    name = serializers.CharField(source="topic.name")
    state = serializers.CharField(help_text="heard, idle, retrying, unheard or stopped.")
    says = serializers.CharField(help_text="The state in a sentence.")
    received = serializers.IntegerField(source="topic.received", help_text="Events that were new.")
    heard_at = serializers.DateTimeField(
        source="topic.heard_at", allow_null=True, help_text="When the bus last sent anything."
    )
    event_at = serializers.DateTimeField(
        source="topic.event_at", allow_null=True, help_text="When the newest event happened."
    )
    kept_until = serializers.DateTimeField(
        source="topic.kept_until", allow_null=True, help_text="Everything up to this moment was kept."
    )
    lag_seconds = serializers.SerializerMethodField(
        help_text="From happening to being kept, of the newest event; null before there is one."
    )
    position_age_seconds = serializers.SerializerMethodField(
        help_text="Age of the position; Salesforce keeps events for 259,200 seconds."
    )
    hours_left = serializers.IntegerField(
        help_text="Hours for which Salesforce still keeps what happened since the position."
    )
    is_late = serializers.BooleanField(help_text="Whether the position is older than 48 hours.")
    retry_at = serializers.DateTimeField(source="topic.retry_at", allow_null=True)
    failure = serializers.SerializerMethodField(help_text="Why it is not heard; empty if it is.")
    failure_code = serializers.CharField(source="topic.failure_code")
    remedy = serializers.CharField(help_text="What to do about it; empty where nothing is to be done.")

    def get_lag_seconds(self, standing: topics.Standing) -> float | None:
        """Return the lag in seconds."""
        return None if standing.topic.lag is None else standing.topic.lag.total_seconds()

    def get_position_age_seconds(self, standing: topics.Standing) -> float:
        """Return the age in seconds."""
        return standing.age.total_seconds()

    def get_failure(self, standing: topics.Standing) -> str:
        """Return what went wrong, without secrets."""
        return redact_text(standing.topic.failure)


class NewTopicSerializer(serializers.Serializer[Any]):
    """A topic to listen to."""

    name = serializers.CharField(
        max_length=120, help_text="/data/AccountChangeEvent, /data/ChangeEvents, /event/Paid__e."
    )


@extend_schema(tags=["connections"])
class TopicViewSet(ScopedViewSet[Connection]):
    """What a connection to Salesforce listens to."""

    queryset = Connection.objects.filter(system=Connection.System.SALESFORCE).select_related(
        "environment__workspace"
    )
    serializer_class = TopicSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    permissions: ClassVar[dict[str, str]] = {
        "list": "connections.view",
        "create": "connections.manage",
        "destroy": "connections.manage",
        "go_on": "events.catch_up",
    }

    @extend_schema(
        summary="List the topics that are listened to",
        responses={200: TopicSerializer(many=True), **refusals(404)},
    )
    def list(self, request: Request, id: str) -> Response:
        """Show how far each topic was heard."""
        return self._shown()

    @extend_schema(
        summary="Listen to a topic",
        request=NewTopicSerializer,
        responses={201: TopicSerializer(many=True), **refusals(400, 403, 404)},
    )
    def create(self, request: Request, id: str) -> Response:
        """Listen to a topic from now on; what happened before is not fetched."""
        given = self.read(NewTopicSerializer)
        connection = self.get_object()
        topics.choose(connection=connection, **given, **self.by())
        return self._shown(status.HTTP_201_CREATED)

    @extend_schema(
        summary="Listen to a topic no more",
        request=None,
        responses={200: TopicSerializer(many=True), **refusals(403, 404)},
    )
    def destroy(self, request: Request, id: str, topic: str) -> Response:
        """Listen to a topic no more, and forget how far it was heard."""
        topics.drop(topic=self._topic(topic), **self.by())
        return self._shown()

    @extend_schema(
        summary="Let a topic go on",
        request=None,
        responses={200: TopicSerializer(many=True), **refusals(400, 403, 404)},
    )
    def go_on(self, request: Request, id: str, topic: str) -> Response:
        """Let a topic that has stopped go on from the earliest event that Salesforce still has."""
        topics.go_on(topic=self._topic(topic), **self.by())
        return self._shown()

    def _topic(self, number: str) -> Topic:
        rows = Topic.objects.filter(connection=self.get_object())
        return get_object_or_404(rows.select_related("connection__environment__workspace"), pk=int(number))

    def _shown(self, code: int = status.HTTP_200_OK) -> Response:
        standings = topics.standing(self.get_object(), now=timezone.now())
        return Response(TopicSerializer(standings, many=True).data, status=code)
