"""This module is the REST interface of the causes of dead letters: list, arrange or discard them."""

from __future__ import annotations

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

from flows import causes, deadletters, grouping, stepping
from flows.causes import Trend, Wanted
from flows.models import Cause, CauseTag, DeadLetter
from flows.models.runs import IllegalTransition
from flows.narrowing import LONGEST
from integrator.accounts.models import Environment
from integrator.accounts.rest import ScopedViewSet, refusals
from integrator.kernel.redact import redact_text
from integrator.web import Reader

TEXTS = ("assigned", "tag", "q", "flow", "error_class")
ENVIRONMENT = OpenApiParameter("environment", str, required=True, description="The environment's slug.")
NARROWED = (
    ENVIRONMENT,
    OpenApiParameter("assigned", str, description="An e-mail address, or nobody."),
    OpenApiParameter("tag", str),
    OpenApiParameter("snoozed", bool, description="Those that are put off, in place of the others."),
    OpenApiParameter("q", str, description="Words of message, code, field, step or flow; or any id."),
    OpenApiParameter("flow", str, description="Id of the flow."),
    OpenApiParameter("error_class", str, description="Such as data, lock or missing_ref."),
)


class TrendDaySerializer(serializers.Serializer[Any]):
    """How many letters of a cause came on a day, by UTC."""

    day = serializers.DateField()
    count = serializers.IntegerField()


class CauseSerializer(serializers.Serializer[Any]):
    """The dead letters of an environment that have one cause, with what people arranged about it."""

    fingerprint = serializers.CharField()
    environment = serializers.CharField()
    count = serializers.IntegerField(
        help_text=f"Letters that wait; {stepping.MOST_COUNTED + 1} in a list stands for any more than that."
    )
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


class DiscardCauseSerializer(serializers.Serializer[Any]):
    """Where, and why nothing is to be done about any of the letters."""

    environment = serializers.SlugField()
    reason = serializers.CharField(max_length=400)


class DiscardedSerializer(serializers.Serializer[Any]):
    """How many letters are closed."""

    discarded = serializers.IntegerField()


@dataclass(frozen=True, slots=True)
class _Row:
    count: int
    first: datetime | None
    last: datetime | None
    newest: DeadLetter
    trend: Trend
    cause: Cause | None


@extend_schema(tags=["dead letters"])
class CauseViewSet(ScopedViewSet[DeadLetter]):
    """Dead letters by cause."""

    queryset = DeadLetter.objects.all()
    serializer_class = CauseSerializer
    environment_at = "event__connection__environment"
    filter_backends = ()
    conflicts = (deadletters.AlreadyHandled, IllegalTransition)
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "partial_update": "deadletters.arrange",
        "discard": "deadletters.discard",
    }
    reader: Reader[DeadLetter]  # of the page that is asked for

    @extend_schema(
        summary="List causes of dead letters",
        parameters=list(NARROWED),
        responses={200: CauseSerializer(many=True), **refusals(400)},
    )
    def list(self, request: Request) -> Response:
        """Return the causes of open letters, that with the newest letter first."""
        query, now = request.query_params, timezone.now()
        here = self.environment_named(query.get("environment", "").replace("\0", ""))
        said = {name: query.get(name, "").replace("\0", "").strip()[:LONGEST] for name in TEXTS}
        wanted = Wanted(**said, snoozed=query.get("snoozed") == "true")
        narrowed = grouping.newest(here, wanted, now=now)
        self.reader = stepping.reader(narrowed, indexed=False)
        page = self.paginate_queryset(narrowed.rows) or []
        shown = [_cause(here, one) for one in grouping.groups(here, page, now=now)]
        return self.get_paginated_response(CauseSerializer(shown, many=True).data)

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

    @extend_schema(
        summary="Discard all dead letters of a cause",
        request=DiscardCauseSerializer,
        responses={200: DiscardedSerializer, **refusals(400, 409)},
    )
    def discard(self, request: Request, id: str) -> Response:
        """Decide that nothing is to be done about any open letter of the cause, and say why."""
        given = self.read(DiscardCauseSerializer)
        here = self.environment_named(given["environment"])
        letters = causes.open_letters(here).filter(fingerprint=id)
        discarded = deadletters.discard_all(letters=letters, reason=given["reason"], **self.by())
        if not discarded:
            raise deadletters.AlreadyHandled("Nothing was left to discard: somebody was quicker.")
        return Response(DiscardedSerializer({"discarded": discarded}).data)

    def _one(self, here: Environment, fingerprint: str) -> dict[str, Any]:
        every = causes.of_environment(here).filter(fingerprint=fingerprint)
        newest = every.select_related("run__flow").order_by("-pk").first()
        if newest is None:
            raise Http404
        counted = every.filter(resolved_at__isnull=True).aggregate(
            count=Count("pk"), first=Min("created_at"), last=Max("created_at")
        )
        trend = causes.trends(here, [fingerprint], now=timezone.now())[fingerprint]
        known = causes.known(here, [fingerprint]).get(fingerprint)
        return _cause(here, _Row(newest=newest, trend=trend, cause=known, **counted))


def _cause(here: Environment, row: _Row | grouping.Group) -> dict[str, Any]:
    newest, known = row.newest, row.cause
    return {
        "fingerprint": newest.fingerprint,
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
        "trend": [{"day": day, "count": number} for day, number in row.trend.days],
        "assignee": known.assignee.email if known and known.assignee else None,
        "snoozed_until": known.snoozed_until if known else None,
        "tags": [tag.name for tag in known.tags.all()] if known else [],
    }
