"""This module is the REST interface of the causes of dead letters: look at groups, and arrange them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Count, Max, Min
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from flows import causes
from flows.causes import Trend, Wanted
from flows.models import Cause, CauseTag, DeadLetter
from integrator.accounts.models import Environment
from integrator.accounts.rest import ScopedViewSet, refusals
from integrator.kernel.redact import redact_text

MOST = 100  # groups of an answer

ENVIRONMENT = OpenApiParameter("environment", str, required=True, description="The environment's slug.")
NARROWED = (
    ENVIRONMENT,
    OpenApiParameter("assigned", str, description="An e-mail address, or nobody."),
    OpenApiParameter("tag", str),
    OpenApiParameter("snoozed", bool, description="Those that are put off, in place of the others."),
)


class TrendDaySerializer(serializers.Serializer[Any]):
    """How many letters of a cause came on a day, by UTC."""

    day = serializers.DateField()
    count = serializers.IntegerField()


class CauseSerializer(serializers.Serializer[Any]):
    """The dead letters of an environment that have one cause, with what people arranged about it."""

    fingerprint = serializers.CharField()
    environment = serializers.CharField()
    count = serializers.IntegerField(help_text="Letters that wait for a person.")
    first_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)
    newest = serializers.CharField(help_text="Id of the newest letter.")
    flow = serializers.CharField(allow_null=True)
    error_class = serializers.CharField()
    code = serializers.CharField()
    field = serializers.CharField()
    step = serializers.CharField()
    message = serializers.CharField(help_text="The newest letter's, without secrets.")
    suggestion = serializers.CharField()
    trend = TrendDaySerializer(many=True, help_text="The last 14 days, whatever became of the letters.")
    assignee = serializers.CharField(allow_null=True, help_text="The address of who sees to it.")
    snoozed_until = serializers.DateTimeField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())


class CauseChangesSerializer(serializers.Serializer[Any]):
    """What is to be arranged about a cause; what is left out stays as it is."""

    environment = serializers.SlugField()
    assignee = serializers.EmailField(required=False, allow_null=True, help_text="null: nobody.")
    snoozed_until = serializers.DateTimeField(required=False, allow_null=True, help_text="null: no longer.")
    tags = serializers.ListField(
        required=False, child=serializers.CharField(max_length=CauseTag.LONGEST), max_length=causes.MOST_TAGS
    )


@dataclass(frozen=True, slots=True)
class _Row:
    fingerprint: str
    count: int
    first: datetime | None
    last: datetime | None
    newest: DeadLetter


@extend_schema(tags=["dead letters"])
class CauseViewSet(ScopedViewSet[DeadLetter]):
    """Dead letters by cause."""

    queryset = DeadLetter.objects.all()
    serializer_class = CauseSerializer
    environment_at = "event__connection__environment"
    pagination_class = None
    filter_backends = ()
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "partial_update": "deadletters.arrange",
    }

    @extend_schema(
        summary="List causes of dead letters",
        parameters=list(NARROWED),
        responses={200: CauseSerializer(many=True), **refusals(400)},
    )
    def list(self, request: Request) -> Response:
        """Return the causes of open letters, that with the newest letter first; a hundred at most."""
        query, now = request.query_params, timezone.now()
        here = self.environment_named(query.get("environment", "").replace("\0", ""))
        assigned, tag = (query.get(name, "").replace("\0", "") for name in ("assigned", "tag"))
        wanted = Wanted(assigned, tag, snoozed=query.get("snoozed") == "true")
        letters = causes.narrowed(causes.open_letters(here), here, wanted, now=now)
        found = (
            letters.order_by()
            .values("fingerprint")
            .annotate(count=Count("pk"), first=Min("created_at"), last=Max("created_at"), newest=Max("pk"))
            .order_by("-newest")[:MOST]
        )
        counted = list(found)
        newest = self._letters([row["newest"] for row in counted])
        rows = [
            _Row(row["fingerprint"], row["count"], row["first"], row["last"], newest[row["newest"]])
            for row in counted
            if row["newest"] in newest
        ]
        return Response(CauseSerializer(_shown(here, rows, now=now), many=True).data)

    @extend_schema(
        summary="Assign, put off or tag a cause",
        request=CauseChangesSerializer,
        responses={200: CauseSerializer, **refusals(400, 404)},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Change who sees to a cause, until when it is put off, or its tags."""
        given = self.read(CauseChangesSerializer)
        here = self.environment_named(given["environment"])
        about = {"environment": here, "fingerprint": id, **self.by()}
        try:
            if "assignee" in given:
                causes.assign(person=given["assignee"] or "", **about)
            if "snoozed_until" in given:
                causes.snooze(until=given["snoozed_until"], **about)
            if "tags" in given:
                causes.tag(names=given["tags"], **about)
        except Cause.DoesNotExist:
            raise Http404 from None
        return Response(CauseSerializer(self._one(here, id)).data)

    def _one(self, here: Environment, fingerprint: str) -> dict[str, Any]:
        every = causes.of_environment(here).filter(fingerprint=fingerprint)
        last = every.order_by("-pk").values_list("pk", flat=True).first()
        if last is None:
            raise Http404
        counted = every.filter(resolved_at__isnull=True).aggregate(
            count=Count("pk"), first=Min("created_at"), last=Max("created_at")
        )
        row = _Row(fingerprint, newest=self._letters([last])[last], **counted)
        return _shown(here, [row], now=timezone.now())[0]

    def _letters(self, ids: Sequence[int]) -> dict[int, DeadLetter]:
        return DeadLetter.objects.select_related("run__flow").in_bulk(ids)


def _shown(here: Environment, rows: Sequence[_Row], *, now: datetime) -> list[dict[str, Any]]:
    fingerprints = [row.fingerprint for row in rows]
    trends = causes.trends(here, fingerprints, now=now)
    known = causes.known(here, fingerprints)
    return [_cause(here, row, trends[row.fingerprint], known.get(row.fingerprint)) for row in rows]


def _cause(here: Environment, row: _Row, trend: Trend, known: Cause | None) -> dict[str, Any]:
    newest = row.newest
    return {
        "fingerprint": row.fingerprint,
        "environment": here.slug,
        "count": row.count,
        "first_at": row.first,
        "last_at": row.last,
        "newest": newest.public_id,
        "flow": newest.run.flow.public_id if newest.run else None,
        "error_class": newest.error_class,
        "code": newest.code,
        "field": newest.field,
        "step": newest.step,
        "message": redact_text(newest.message),
        "suggestion": newest.suggestion,
        "trend": [{"day": day, "count": number} for day, number in trend.days],
        "assignee": known.assignee.email if known and known.assignee else None,
        "snoozed_until": known.snoozed_until if known else None,
        "tags": [tag.name for tag in known.tags.all()] if known else [],
    }
