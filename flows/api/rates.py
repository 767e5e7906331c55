"""This module is the REST interface of the workspace's exchange rates: list, add one, add many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import rates
from flows.models import ExchangeRate
from flows.rate_lines import COLUMNS, MOST, Given, Problem
from integrator.accounts.rest import RowFilter, ScopedViewSet, refusals
from integrator.web import Conflict


class ExchangeRateSerializer(serializers.ModelSerializer[ExchangeRate]):
    """What one unit of a currency is worth in another from a day on, and who says so."""

    rate = serializers.SerializerMethodField()

    class Meta:
        model = ExchangeRate
        fields = ("id", "base", "quote", "day", "rate", "source", "entered_at", "entered_by")
        read_only_fields = fields

    def get_rate(self, row: ExchangeRate) -> str:
        """Return the exact rate as a text."""
        return rates.plain(row.rate)


class RateLineSerializer(serializers.Serializer[Any]):
    """One rate to add."""

    base = serializers.CharField(max_length=3, help_text="Currency converted from, such as USD.")
    quote = serializers.CharField(max_length=3, help_text="Currency converted to, such as EUR.")
    day = serializers.CharField(max_length=10, help_text="The day in UTC from which it holds: 2026-11-24.")
    rate = serializers.CharField(
        max_length=30, help_text="At most 15 digits, with a point; as a text it is taken as it stands."
    )
    source = serializers.CharField(  # type: ignore[assignment]  # a field of that name, as DRF makes them
        max_length=100, help_text="Where the rate comes from."
    )


REASON = "Needed to replace a rate that is there with another value; kept in the audit trail."


class NewRateSerializer(RateLineSerializer):
    """One rate to add, and why if it replaces another."""

    reason = serializers.CharField(max_length=400, required=False, default="", help_text=REASON)


class NewRatesSerializer(serializers.Serializer[Any]):
    """Rates to add, all of them or none."""

    rates = serializers.ListField(child=RateLineSerializer(), min_length=1, max_length=MOST)
    reason = serializers.CharField(max_length=400, required=False, default="", help_text=REASON)


class KeptSerializer(serializers.Serializer[Any]):
    """What became of the rates that were given."""

    added = serializers.IntegerField()
    replaced = serializers.IntegerField()
    unchanged = serializers.IntegerField(help_text="They were there already, just so.")


class ExchangeRateFilter(RowFilter):
    """Rates of a currency, or of a time."""

    currency = filters.CharFilter(method="of_currency", help_text="On either side, such as EUR.")
    base = filters.CharFilter(field_name="base", lookup_expr="iexact")
    quote = filters.CharFilter(field_name="quote", lookup_expr="iexact")
    since = filters.DateFilter(field_name="day", lookup_expr="gte", help_text="Not before this day.")
    until = filters.DateFilter(field_name="day", lookup_expr="lte", help_text="Up to this day.")

    class Meta:
        model = ExchangeRate
        fields = ()

    def of_currency(self, rows: QuerySet[ExchangeRate], name: str, code: str) -> QuerySet[ExchangeRate]:
        """Return the rates from or into the currency `code`."""
        return rows.filter(Q(base__iexact=code) | Q(quote__iexact=code))


@extend_schema(tags=["exchange rates"])
@extend_schema_view(
    list=extend_schema(
        summary="List exchange rates",
        description="The rates of the workspace, those entered last first.",
        responses={200: ExchangeRateSerializer(many=True), **refusals(400)},
    ),
)
class ExchangeRateViewSet(mixins.ListModelMixin, ScopedViewSet[ExchangeRate]):
    """Exchange rates."""

    queryset = ExchangeRate.objects.all()
    serializer_class = ExchangeRateSerializer
    filterset_class = ExchangeRateFilter
    permissions: ClassVar[dict[str, str]] = {
        "list": "rates.view",
        "create": "rates.manage",
        "bulk": "rates.manage",
    }

    def within(self, rows: QuerySet[ExchangeRate]) -> QuerySet[ExchangeRate]:
        """Return the rates of the workspace; they belong to no one environment."""
        return rows.filter(workspace=self.scope.workspace)

    @extend_schema(
        summary="Add an exchange rate",
        request=NewRateSerializer,
        responses={201: KeptSerializer, **refusals(400, 403, 409)},
    )
    def create(self, request: Request) -> Response:
        """Add a rate, and let the runs go on that waited for it. Replacing one takes a reason."""
        given = self.read(NewRateSerializer)
        return self._keep([given], given["reason"], lambda problem: [problem.field or "rate"])

    @extend_schema(
        summary="Add many exchange rates",
        request=NewRatesSerializer,
        responses={201: KeptSerializer, **refusals(400, 403, 409)},
    )
    @action(methods=["POST"], detail=False)
    def bulk(self, request: Request) -> Response:
        """Add rates, all of them or none. Those that are there already, just so, change nothing."""
        given = self.read(NewRatesSerializer)
        return self._keep(
            given["rates"], given["reason"], lambda problem: ["rates", str(problem.line - 1), problem.field]
        )

    def _keep(self, lines: Sequence[dict[str, Any]], reason: str, place: Any) -> Response:
        if not self.scope.at(None).can("rates.manage"):
            raise PermissionDenied(
                "Rates hold in the whole workspace, and so must the role that changes them."
            )
        given = [
            Given(number, **{name: line[name] for name in COLUMNS}) for number, line in enumerate(lines, 1)
        ]
        try:
            kept = rates.keep(workspace=self.scope.workspace, given=given, reason=reason, **self.by())
        except rates.Unacceptable as refusal:
            raise ValidationError(_by_place(refusal.problems, place)) from None
        except rates.ReasonNeeded as refusal:
            raise Conflict(str(refusal)) from None
        return Response(KeptSerializer(kept).data, status=status.HTTP_201_CREATED)


def _by_place(problems: Sequence[Problem], place: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in problems:
        found.setdefault(".".join(part for part in place(problem) if part), []).append(problem.message)
    return found
