"""This module is the REST interface of runs, with their attempts and traces."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import msgspec
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from flows import finding, narrowing, reruns, resuming
from flows.api.stretches import check_moment, place_of, reader_between
from flows.models import Attempt, Event, Fate, Flow, Mending, Run
from integrator import vault
from integrator.accounts.access import Scope
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact
from integrator.web import Reader, beyond


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


class TakenStepSerializer(serializers.Serializer[Any]):
    """A step before the failed one, and the try whose output would be taken over."""

    step = serializers.CharField(help_text="Its id.")
    title = serializers.CharField()
    attempt = serializers.IntegerField(help_text="The number of the try, from 1.")
    at = serializers.DateTimeField(help_text="When that try ended.")


class FromFailedStepSerializer(serializers.Serializer[Any]):
    """Whether a retry may go on at the failed step, with what it would take over."""

    possible = serializers.BooleanField()
    reason = serializers.CharField(help_text="Why not; empty where it is possible.")
    step = serializers.CharField(help_text="The failed step, as people call it.")
    read_at = serializers.DateTimeField(allow_null=True, help_text="When the object was so.")
    takes = TakenStepSerializer(many=True)


class RunDetailSerializer(RunSerializer):
    """A run with its attempts."""

    tries = AttemptSerializer(many=True, read_only=True)
    mendings = MendingSerializer(many=True, read_only=True)
    from_failed_step = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = (*RunSerializer.Meta.fields, "tries", "mendings", "from_failed_step")
        read_only_fields = fields

    @extend_schema_field(FromFailedStepSerializer)
    def get_from_failed_step(self, run: Run) -> dict[str, Any]:
        """Return whether a retry may go on at the failed step."""
        return FromFailedStepSerializer(resuming.offer(run, timezone.now())).data


class RunFilter(RowFilter):
    """Runs by where they are, how they ended, and what they are about."""

    q = filters.CharFilter(
        method="any_id",
        max_length=narrowing.LONGEST,
        help_text="Any id: of the run, its event, a letter, a question, an effect, an object, a record.",
    )
    state = filters.ChoiceFilter(choices=Run.State.choices)
    fate = filters.ChoiceFilter(choices=Fate.choices)
    flow = filters.CharFilter(method="of_flow", help_text="Id of the flow.")
    version = filters.NumberFilter(field_name="version__number", help_text="Number of the flow's version.")
    type = filters.CharFilter(field_name="event__type", help_text="The event's type.")
    connection = filters.CharFilter(
        field_name="event__connection__public_id", help_text="Id of the connection that the event came from."
    )
    currency = filters.CharFilter(method="in_currency", help_text="Three letters.")
    external_id = filters.CharFilter(method="of_event", help_text="The event's own id.")
    object_id = filters.CharFilter(
        method="about", help_text="Such as pi_..., or the id of a record whose change started them."
    )
    created_after = filters.IsoDateTimeFilter(method="from_then_on", help_text="Not before this moment.")
    created_before = filters.IsoDateTimeFilter(method="until_then", help_text="Before this moment.")
    ended_after = filters.IsoDateTimeFilter(
        method="ended_since", help_text="Ended at this moment or later, however long ago they began."
    )

    class Meta:
        model = Run
        fields = ()

    def any_id(self, rows: QuerySet[Run], name: str, wanted: str) -> QuerySet[Run]:
        """Return the runs that an id leads to."""
        return rows.filter(pk__in=finding.find(wanted.strip(), place_of(self.request)).runs)

    def about(self, rows: QuerySet[Run], name: str, wanted: str) -> QuerySet[Run]:
        """Return the runs about one object or record; an event may name many records."""
        return rows.filter(pk__in=finding.about(wanted, place_of(self.request)).runs)

    def of_event(self, rows: QuerySet[Run], name: str, wanted: str) -> QuerySet[Run]:
        """Return the runs of one event."""
        return rows.filter(pk__in=finding.handling(wanted, place_of(self.request)))

    def of_flow(self, rows: QuerySet[Run], name: str, wanted: str) -> QuerySet[Run]:
        """Return the runs of one flow."""
        flow = Flow.objects.filter(public_id=wanted).values_list("pk", flat=True).first()
        return rows.filter(flow=flow or 0)

    def in_currency(self, rows: QuerySet[Run], name: str, wanted: str) -> QuerySet[Run]:
        """Return the runs about amounts in one currency."""
        return rows.filter(currency=wanted.upper())

    def from_then_on(self, rows: QuerySet[Run], name: str, moment: datetime) -> QuerySet[Run]:
        """Return what began at `moment` or later."""
        check_moment(name, moment)
        return rows.filter(created_at__gte=moment)

    def ended_since(self, rows: QuerySet[Run], name: str, moment: datetime) -> QuerySet[Run]:
        """Return what ended at `moment` or later."""
        check_moment(name, moment)
        return rows.filter(finished_at__gte=moment)

    def until_then(self, rows: QuerySet[Run], name: str, moment: datetime) -> QuerySet[Run]:
        """Return what began before `moment`."""
        check_moment(name, moment)
        return rows.filter(created_at__lt=moment)


class RetryRunSerializer(serializers.Serializer[Any]):
    """By which version a run is done once more, and from where."""

    version = serializers.ChoiceField(
        choices=["own", "live"],
        default="own",
        help_text="own: the version that the run had; live: the one that is live now.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields, with one whose name is a word of Python's own."""
        start = serializers.ChoiceField(
            choices=[reruns.TOP, reruns.FAILED_STEP],
            default=reruns.TOP,
            help_text="start: whole, with the object read first; failed_step: from the step that failed, "
            "with what the steps before it found.",
        )
        return {**super().get_fields(), "from": start}


class CancelRunSerializer(serializers.Serializer[Any]):
    """Why a run is ended before its time."""

    reason = serializers.CharField(max_length=400)


@extend_schema(tags=["runs"])
@extend_schema_view(
    list=extend_schema(
        summary="List runs",
        description="What the flows made of the events, newest first. Where few of many runs fit, a page may "
        "hold fewer rows than asked for, or none, while `next` tells where to look further.",
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
    conflicts = (reruns.Busy, reruns.NotPossible)
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "retry": "runs.retry",
        "cancel": "runs.cancel",
    }

    @extend_schema(
        summary="Do a run once more",
        description="Answers with the run that does it: the same one while it has not come to its end by its "
        "own version, otherwise a new one. The object is read first, and what must happen once is not "
        "done a second time. From the failed step, what the steps before it found is taken over instead, "
        "where `from_failed_step` of the run says that this is possible.",
        request=RetryRunSerializer,
        responses={200: RunSerializer, **refusals(400, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def retry(self, request: Request, id: str) -> Response:
        """Do what the run is for once more."""
        given = self.read(RetryRunSerializer)
        how = {"version": given["version"], "start": given["from"]}
        return self._shown(reruns.retry(run=self.get_object(), **how, **self.by()))

    @extend_schema(
        summary="Cancel a run",
        description="It ends without doing the rest of what it is for. What it has done stays done.",
        request=CancelRunSerializer,
        responses={200: RunSerializer, **refusals(400, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def cancel(self, request: Request, id: str) -> Response:
        """End a run that has not ended."""
        given = self.read(CancelRunSerializer)
        return self._shown(reruns.cancel(run=self.get_object(), reason=given["reason"], **self.by()))

    def _shown(self, run: Run) -> Response:
        return Response(RunSerializer(self.within(self.queryset.all()).get(pk=run.pk)).data)

    @property
    def reader(self) -> Reader[Run]:
        """Return what reads a page: in steps, unless an index leads to the rows."""
        asked = self.request.query_params
        if asked.get("q") or asked.get("object_id") or asked.get("external_id"):
            return beyond
        return reader_between(Run, "created_at", asked, after="created_after", before="created_before")

    def within(self, rows: QuerySet[Run]) -> QuerySet[Run]:
        """Return the runs of the pairs that the request may reach."""
        return rows.filter(pair__in=place_of(self.request).pairs)

    def get_queryset(self) -> Any:
        """Return the runs, without what nobody reads of their event and version."""
        rows = super().get_queryset().defer("event__body", "version__document", "kept", "memory")
        return rows.prefetch_related("tries", "mendings__saved_fix") if self.action == "retrieve" else rows

    def get_serializer_class(self) -> type[RunSerializer]:
        """Return the longer form for one run."""
        return RunDetailSerializer if self.action == "retrieve" else RunSerializer
