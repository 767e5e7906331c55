"""This module is the REST interface of payments: how much money Salesforce has confirmed, and the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers

from connectors.models import Connection
from integrator.accounts.models import Workspace
from integrator.accounts.rest import WITHIN, RowFilter, ScopedViewSet, refusals
from monitoring import payments
from monitoring.message_api import router
from monitoring.models import Payment

__all__ = ["PaymentStandingSerializer", "PaymentViewSet", "router", "standings"]


class PaymentFigureSerializer(serializers.Serializer[Any]):
    """So many payments with so much money."""

    amount = serializers.IntegerField(help_text="Minor units of the currency.")
    payments = serializers.IntegerField()


class PaymentStandingSerializer(serializers.Serializer[Any]):
    """The payments of one environment, currency and period that went well as Stripe tells it."""

    environment = serializers.CharField()
    period = serializers.ChoiceField(
        choices=list(payments.PERIODS), help_text="Days of the workspace's time zone, today's among them."
    )
    currency = serializers.CharField(help_text="Three letters.")
    told = PaymentFigureSerializer(help_text="All that Stripe told of.")
    confirmed = PaymentFigureSerializer(help_text="Those whose record Salesforce has confirmed.")
    under_way = PaymentFigureSerializer(help_text="Queued or tried again.")
    waiting = PaymentFigureSerializer(help_text="Wait for a person.")
    dead = PaymentFigureSerializer(help_text="Stand in the dead letters.")
    left_out = PaymentFigureSerializer(help_text="Ignored, refused or discarded: nothing is under way.")


def standings(connections: Iterable[Connection], workspace: Workspace) -> list[dict[str, Any]]:
    """Return how the payments of `connections` stand, all of one workspace, by currency and period."""
    stripe = [one for one in connections if one.system == Connection.System.STRIPE]
    slugs = {one.environment_id: one.environment.slug for one in stripe}
    found = payments.of_connections(
        {one.pk: one.environment_id for one in stripe}, workspace, now=timezone.now()
    )
    return [
        {
            "environment": slugs[environment],
            "period": one.period,
            "currency": one.currency,
            "told": one.told,
            "confirmed": one.confirmed,
            **{state: one.of(state) for state in payments.OPEN},
        }
        for environment, standing in found.items()
        for one in standing
    ]


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    """One payment, and whether Salesforce has confirmed its record."""

    id = serializers.CharField(source="key", help_text="Its payment intent, or its charge without one.")
    environment = serializers.CharField(source="connection.environment.slug", read_only=True)
    connection = serializers.CharField(source="connection.public_id", read_only=True)
    state = serializers.CharField(help_text="confirmed, under_way, waiting, dead or left_out.")

    class Meta:
        model = Payment
        fields = ("id", "environment", "connection", "charge", "amount", "currency", "state", "told_at")
        read_only_fields = fields


class PaymentFilter(RowFilter):
    """Payments of a currency, in a state, told of in a span of time."""

    currency = filters.CharFilter(method="in_currency", help_text="Three letters.")
    state = filters.ChoiceFilter(
        method="in_state",
        choices=list(payments.STATES.items()),
        help_text="One of them, unconfirmed for all but confirmed, or still for waiting, dead and left_out.",
    )
    since = filters.IsoDateTimeFilter(field_name="told_at", lookup_expr="gte", help_text="First told of.")
    until = filters.IsoDateTimeFilter(field_name="told_at", lookup_expr="lt", help_text="First told of.")

    class Meta:
        model = Payment
        fields = ()

    def in_currency(self, rows: QuerySet[Payment], name: str, wanted: str) -> QuerySet[Payment]:
        """Return the payments in one currency."""
        return rows.filter(currency=wanted.upper())

    def in_state(self, rows: QuerySet[Payment], name: str, wanted: str) -> QuerySet[Payment]:
        """Return the payments of one state, or all that are not confirmed."""
        return payments.in_state(rows, wanted)


@extend_schema(tags=["health"])
@extend_schema_view(
    list=extend_schema(
        summary="List payments",
        description="Payments that went well as Stripe tells it, each once, newest first, for 40 days. Their"
        " sums by currency are part of health.",
        parameters=[WITHIN],
        responses={200: PaymentSerializer(many=True), **refusals(400)},
    ),
)
class PaymentViewSet(mixins.ListModelMixin, ScopedViewSet[Payment]):
    """Payments."""

    queryset = Payment.objects.select_related("connection__environment")
    serializer_class = PaymentSerializer
    filterset_class = PaymentFilter
    environment_at = "connection__environment"
    permissions: ClassVar[dict[str, str]] = {"list": "runs.view"}


router.register("payments", PaymentViewSet, basename="payment")
