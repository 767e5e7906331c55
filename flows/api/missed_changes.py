"""This module is the REST interface of looking for missed changes at a Salesforce connection."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection
from flows import missed_changes
from flows.models import PolledObject, Resync
from integrator.accounts.rest import ScopedViewSet, refusals
from integrator.kernel.redact import redact_text


class ResyncSerializer(serializers.Serializer[Any]):
    """One comparison of an object's records with what was told of them."""

    id = serializers.IntegerField()
    object = serializers.CharField()
    reason = serializers.CharField(help_text="asked, overflow, position or night.")
    actor = serializers.CharField(help_text="Who asked for it; empty where nobody did.")
    since = serializers.DateTimeField(help_text="Records that were modified earlier are not looked at.")
    until = serializers.DateTimeField(
        allow_null=True, help_text="Nor are those that were modified then or later; null: there is no end."
    )
    state = serializers.CharField(help_text="waiting, running, done, stopped or failed.")
    created_at = serializers.DateTimeField()
    began_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    reached = serializers.DateTimeField(source="place_at", allow_null=True, help_text="How far it has come.")
    compared = serializers.IntegerField(help_text="Records that were looked at.")
    changed = serializers.IntegerField(help_text="Changes of which nothing had told.")
    deleted = serializers.IntegerField(help_text="Deletions of which nothing had told.")
    doubtful = serializers.IntegerField(
        help_text="Read again, since they may have changed twice within a second."
    )
    failed = serializers.IntegerField(help_text="Records that could not be kept.")
    retry_at = serializers.DateTimeField(allow_null=True)
    failure = serializers.SerializerMethodField(help_text="What went wrong; empty if nothing did.")

    def get_failure(self, resync: Resync) -> str:
        """Return what went wrong, without secrets."""
        return redact_text(resync.failure)


class PolledObjectSerializer(serializers.Serializer[Any]):
    """One object whose changes are asked for."""

    id = serializers.IntegerField(source="polled.pk")
    object = serializers.CharField(source="polled.object")
    every = serializers.IntegerField(source="polled.every", help_text="Seconds between two questions.")
    state = serializers.CharField(help_text="asked, idle, retrying or unheard.")
    says = serializers.CharField(help_text="The state in a sentence.")
    checked_at = serializers.DateTimeField(source="polled.checked_at", allow_null=True)
    reached = serializers.DateTimeField(
        source="polled.reached_at", help_text="By the org's clock: every change before was let in."
    )
    found = serializers.IntegerField(source="polled.found", help_text="Events that were let in.")
    retry_at = serializers.DateTimeField(source="polled.retry_at", allow_null=True)
    failure = serializers.SerializerMethodField(
        help_text="Why the last question failed; empty if it did not."
    )
    failure_code = serializers.CharField(source="polled.failure_code")
    remedy = serializers.CharField(help_text="What to do about it; empty where nothing is to be done.")

    def get_failure(self, standing: missed_changes.Polled) -> str:
        """Return what went wrong, without secrets."""
        return redact_text(standing.polled.failure)


class MissedChangesSerializer(serializers.Serializer[Any]):
    """How missed changes of an org are looked for, and what was found."""

    sweep_days = serializers.IntegerField(help_text="Days of changes that are compared every day; 0: none.")
    sweep_hour = serializers.IntegerField(help_text="The hour of the day, by UTC, when they are compared.")
    next_night = serializers.DateTimeField(allow_null=True, help_text="When the next comparison begins.")
    followed = serializers.ListField(
        child=serializers.CharField(), help_text="The objects whose changes start live flows."
    )
    resyncs = ResyncSerializer(many=True, help_text="The newest comparisons.")
    polled = PolledObjectSerializer(many=True)


class DailySerializer(serializers.Serializer[Any]):
    """When and how far back records are compared every day; what is left out stays as it is."""

    sweep_days = serializers.IntegerField(required=False, min_value=0, max_value=missed_changes.MOST_DAYS)
    sweep_hour = serializers.IntegerField(required=False, min_value=0, max_value=23)


class RecordsSerializer(serializers.Serializer[Any]):
    """Which records are compared."""

    object = serializers.CharField(max_length=80, help_text="By its API name.")
    since = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="When they were modified first."
    )
    until = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Those whose last change came then or later are left out.",
    )


class AskingSerializer(serializers.Serializer[Any]):
    """Which object is asked for, and how often."""

    object = serializers.CharField(max_length=80, help_text="By its API name.")
    every = serializers.IntegerField(
        default=missed_changes.USUAL, min_value=missed_changes.SOONEST, max_value=missed_changes.LATEST
    )


_REFUSED = refusals(400, 403, 404)


@extend_schema(tags=["connections"])
class MissedChangesViewSet(ScopedViewSet[Connection]):
    """What Salesforce did not tell, or could not."""

    queryset = Connection.objects.filter(system=Connection.System.SALESFORCE).select_related(
        "environment__workspace"
    )
    serializer_class = MissedChangesSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    permissions: ClassVar[dict[str, str]] = {
        "retrieve": "connections.view",
        "partial_update": "connections.manage",
        "compare": "events.catch_up",
        "stop": "events.catch_up",
        "poll": "connections.manage",
        "poll_no_more": "connections.manage",
    }

    @extend_schema(
        summary="Show what was missed in Salesforce",
        responses={200: MissedChangesSerializer, **refusals(404)},
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """Show what was compared and asked for, and what was found."""
        return self._shown()

    @extend_schema(
        summary="Set when records are compared",
        request=DailySerializer,
        responses={200: MissedChangesSerializer, **_REFUSED},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Set at which hour, and how many days of changes, are compared every day."""
        given = self.read(DailySerializer)
        missed_changes.configure(connection=self.get_object(), **given, **self.by())
        return self._shown()

    @extend_schema(
        summary="Compare records",
        request=RecordsSerializer,
        responses={201: MissedChangesSerializer, **_REFUSED},
    )
    def compare(self, request: Request, id: str) -> Response:
        """Compare the records of an object that were modified last in that time, without effects."""
        given = self.read(RecordsSerializer)
        missed_changes.compare(connection=self.get_object(), **given, **self.by())
        return self._shown(status.HTTP_201_CREATED)

    @extend_schema(
        summary="Stop a comparison", request=None, responses={200: MissedChangesSerializer, **_REFUSED}
    )
    def stop(self, request: Request, id: str, resync: str) -> Response:
        """Compare no more; what was found so far stays."""
        missed_changes.stop(resync=self._row(Resync.objects.all(), resync), **self.by())
        return self._shown()

    @extend_schema(
        summary="Ask for the changes of an object",
        request=AskingSerializer,
        responses={201: MissedChangesSerializer, **_REFUSED},
    )
    def poll(self, request: Request, id: str) -> Response:
        """Ask for an object every so many seconds from now on, or change how often."""
        given = self.read(AskingSerializer)
        missed_changes.poll(connection=self.get_object(), **given, **self.by())
        return self._shown(status.HTTP_201_CREATED)

    @extend_schema(
        summary="Ask for an object no more",
        request=None,
        responses={200: MissedChangesSerializer, **refusals(403, 404)},
    )
    def poll_no_more(self, request: Request, id: str, polled: str) -> Response:
        """Ask for an object no more, and forget how far it was asked for."""
        missed_changes.poll_no_more(polled=self._row(PolledObject.objects.all(), polled), **self.by())
        return self._shown()

    def _row(self, rows: QuerySet[Any], number: str) -> Any:
        there = rows.filter(connection=self.get_object())
        found: Model = get_object_or_404(
            there.select_related("connection__environment__workspace"), pk=int(number)
        )
        return found

    def _shown(self, code: int = status.HTTP_200_OK) -> Response:
        standing = missed_changes.standing(self.get_object(), now=timezone.now())
        return Response(MissedChangesSerializer(standing).data, status=code)
