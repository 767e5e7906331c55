"""This module is the REST interface of the messages that channels of alerts were sent."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers

from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from monitoring.anomaly_api import router
from monitoring.models import AlertDispatch

__all__ = ["AlertMessageViewSet", "router"]


class AlertMessageSerializer(serializers.ModelSerializer[AlertDispatch]):
    """One message to one channel, and what the other side answered."""

    id = serializers.CharField(source="public_id", read_only=True)
    channel = serializers.CharField(source="channel.public_id", read_only=True)
    rule = serializers.CharField(source="rule.public_id", default=None, allow_null=True)
    bundled = serializers.BooleanField(
        source="digest", read_only=True, help_text="Whether it tells all that found no place within its hour."
    )
    alerts = serializers.SerializerMethodField(
        help_text="What it tells, as far as it is about this environment."
    )
    state = serializers.CharField(read_only=True, help_text="waiting, retrying, sent or given_up.")

    class Meta:
        model = AlertDispatch
        fields = (
            "id", "channel", "rule", "state", "subject", "alerts", "test", "bundled", "created_at", "due_at",
            "attempts", "sent_at", "given_up_at", "answer",
        )  # fmt: skip
        read_only_fields = fields

    def get_alerts(self, message: AlertDispatch) -> list[dict[str, Any]]:
        """Return what the request may see of it: one message may tell of several environments."""
        here = self.context["view"].scope.environment
        reach = (None, here.slug) if here is not None else None
        return [one for one in message.alerts if reach is None or one.get("environment") in reach]


class AlertMessageFilter(RowFilter):
    """Messages of a channel, of an alert, or by where they stand."""

    channel = filters.CharFilter(field_name="channel__public_id", help_text="Id of the channel.")
    alert = filters.CharFilter(field_name="notices__alert__public_id", distinct=True, help_text="Its id.")
    sent = filters.BooleanFilter(field_name="sent_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = AlertDispatch
        fields = ()


@extend_schema(tags=["alerts"])
@extend_schema_view(
    list=extend_schema(
        summary="List messages about alerts",
        description="What channels were sent, newest first; mails to administrators are not among them.",
        parameters=[WITHIN],
        responses={200: AlertMessageSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a message about alerts", responses={200: AlertMessageSerializer, **refusals(404)}
    ),
)
class AlertMessageViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[AlertDispatch]):
    """Messages."""

    queryset = AlertDispatch.objects.select_related("channel", "rule")
    serializer_class = AlertMessageSerializer
    filterset_class = AlertMessageFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {"list": "alerts.view", "retrieve": "alerts.view"}

    def within(self, rows: QuerySet[AlertDispatch]) -> QuerySet[AlertDispatch]:
        """Return the messages of the request's workspace, or those that tell of its environment."""
        here = self.scope.environment
        return rows.about(here) if here is not None else rows.of(self.scope.workspace)  # type: ignore[attr-defined,no-any-return]  # ours


router.register("alert-messages", AlertMessageViewSet, basename="alert-message")
