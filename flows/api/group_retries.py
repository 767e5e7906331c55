"""This module is the REST interface of retrying the dead letters of a cause, mostly one of them first."""

from __future__ import annotations

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import group_retries
from flows.api.causes import ENVIRONMENT
from flows.models import GroupRetry
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact_text


class RetryCallsSerializer(serializers.Serializer[Any]):
    """Calls of one system that a retry makes."""

    system = serializers.CharField()
    least = serializers.IntegerField(help_text="If records travel together as far as the pace lets them.")
    most = serializers.IntegerField(help_text="If every record comes alone.")
    used = serializers.IntegerField(allow_null=True, help_text="Of those of 24 hours, as far as it is known.")
    allowed = serializers.IntegerField(allow_null=True)


class RetryPreviewSerializer(serializers.Serializer[Any]):
    """What retrying a cause means."""

    count = serializers.IntegerField()
    per_minute = serializers.IntegerField()
    first = serializers.CharField(source="first.public_id", help_text="Id of the letter that is tried first.")
    seconds = serializers.FloatField(help_text="How long the rest takes.")
    measured = serializers.IntegerField(
        source="costs.measured", help_text="Runs by which calls were counted; 0: they are not known."
    )
    calls = RetryCallsSerializer(source="costs.systems", many=True)


class RetryProgressSerializer(serializers.Serializer[Any]):
    """How far a retry has come, and what became of the letters that it has retried."""

    retried = serializers.IntegerField()
    worked = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="They failed again.")
    needless = serializers.IntegerField(help_text="They were superseded, or somebody discarded them.")
    asked = serializers.IntegerField(help_text="They wait for a person's answer.")
    running = serializers.IntegerField()
    left = serializers.IntegerField(help_text="Letters that are still to be retried, or were left alone.")


class GroupRetrySerializer(serializers.ModelSerializer[GroupRetry]):
    """A retry of the letters of a cause, in order and so many a minute; mostly one first, then the rest."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="environment.slug", read_only=True)
    state = serializers.CharField(read_only=True, help_text="first, going, done, stopped or failed.")
    reason = serializers.SerializerMethodField(help_text="Why it stopped.")

    class Meta:
        model = GroupRetry
        fields: ClassVar[tuple[str, ...]] = (
            "id", "environment", "fingerprint", "actor", "per_minute", "one_first", "total", "state",
            "created_at", "ended_at", "reason",
        )  # fmt: skip
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_reason(self, going: GroupRetry) -> str:
        """Return why it stopped, without secrets."""
        return redact_text(going.reason)


class WatchedRetrySerializer(GroupRetrySerializer):
    """A retry of the letters of a cause, with how far it has come."""

    progress = serializers.SerializerMethodField()

    class Meta(GroupRetrySerializer.Meta):
        fields = (*GroupRetrySerializer.Meta.fields, "progress")
        read_only_fields = fields

    @extend_schema_field(RetryProgressSerializer)
    def get_progress(self, going: GroupRetry) -> dict[str, Any]:
        """Return how far it has come."""
        return dict(RetryProgressSerializer(group_retries.progress(going)).data)


class BeginRetrySerializer(serializers.Serializer[Any]):
    """Where, how fast the rest follows, and whether it waits for the first."""

    environment = serializers.SlugField()
    per_minute = serializers.IntegerField(
        default=group_retries.USUAL, min_value=group_retries.SLOWEST, max_value=group_retries.FASTEST
    )
    one_first = serializers.BooleanField(
        default=True, help_text="false: all of them at this pace, not waiting for what becomes of the first."
    )


class GroupRetryFilter(RowFilter):
    """Retries by their cause and how they stand."""

    fingerprint = filters.CharFilter(help_text="What letters with the same cause share.")
    state = filters.CharFilter(help_text="first, going, done, stopped or failed.")

    class Meta:
        model = GroupRetry
        fields = ()


@extend_schema(tags=["dead letters"])
@extend_schema_view(
    list=extend_schema(
        summary="List retries of causes",
        parameters=[WITHIN],
        responses={200: GroupRetrySerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a retry of a cause", responses={200: WatchedRetrySerializer, **refusals(404)}
    ),
)
class GroupRetryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[GroupRetry]):
    """Retries of the letters of a cause."""

    queryset = GroupRetry.objects.select_related("environment__workspace")
    serializer_class = GroupRetrySerializer
    filterset_class = GroupRetryFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (group_retries.AlreadyHandled,)
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "preview": "runs.view",
        "begin": "deadletters.retry",
        "stop": "deadletters.retry",
    }

    def get_serializer_class(self) -> type[GroupRetrySerializer]:
        """Return what shows one retry, or many."""
        return WatchedRetrySerializer if self.action == "retrieve" else GroupRetrySerializer

    @extend_schema(
        summary="Tell what retrying a cause means",
        parameters=[ENVIRONMENT, OpenApiParameter("per_minute", int)],
        responses={200: RetryPreviewSerializer, **refusals(400, 409)},
    )
    def preview(self, request: Request, id: str) -> Response:
        """Return how many letters a retry would be about, how long it would take and what it would cost."""
        here = self.environment_named(request.query_params.get("environment", "").replace("\0", ""))
        try:
            per_minute = int(request.query_params.get("per_minute", group_retries.USUAL))
        except ValueError:
            raise ValidationError({"per_minute": "This is no whole number."}) from None
        told = group_retries.preview(environment=here, fingerprint=id, per_minute=per_minute)
        return Response(RetryPreviewSerializer(told).data)

    @extend_schema(
        summary="Retry a cause, one of its letters first if that is wanted",
        request=BeginRetrySerializer,
        responses={201: WatchedRetrySerializer, **refusals(400, 409)},
    )
    def begin(self, request: Request, id: str) -> Response:
        """Retry the oldest letter now, and the rest in order at a pace once that one has worked."""
        given = self.read(BeginRetrySerializer)
        here = self.environment_named(given.pop("environment"))
        going = group_retries.begin(environment=here, fingerprint=id, **given, **self.by())
        return Response(WatchedRetrySerializer(going).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Stop a retry of a cause",
        request=None,
        responses={200: WatchedRetrySerializer, **refusals(404, 409)},
    )
    def stop(self, request: Request, id: str) -> Response:
        """Retry no more letters; those that were retried run on."""
        return Response(WatchedRetrySerializer(group_retries.stop(going=self.get_object(), **self.by())).data)
