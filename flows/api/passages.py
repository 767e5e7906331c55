"""This module is the REST interface of what ran along a flow's steps in the last day."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import passages
from flows.api.design import FLOW
from flows.engine.ways import ENDED, FAILED
from flows.models import Flow, FlowVersion, Pair
from integrator.accounts.rest import WITHIN, ScopedViewSet, refusals

_NAMES = {ENDED: "ended", FAILED: "failed"}


class WaySerializer(serializers.Serializer[Any]):
    """How often a step was left by one way."""

    step = serializers.CharField(help_text="Id of the step.")
    how = serializers.ChoiceField(
        choices=["left", "ended", "failed"],
        help_text="Left by an exit, ended by the flow, or failed with nothing that handles it.",
    )
    exit = serializers.CharField(help_text="The exit; empty where the run ended or failed.")
    times = serializers.IntegerField(help_text="Runs; inside of a list, elements.")


class PassagesSerializer(serializers.Serializer[Any]):
    """What ran along the steps of a flow in one environment."""

    environment = serializers.CharField()
    since = serializers.DateTimeField(help_text="The hour with which the last 24 began.")
    ways = WaySerializer(many=True)


@extend_schema(tags=["flows"])
class PassageViewSet(ScopedViewSet[Flow]):
    """What ran along the steps of a flow."""

    queryset = Flow.objects.all()
    permissions: ClassVar[dict[str, str]] = {"list": "flows.view"}

    def within(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Return the flows of the workspace."""
        return rows.filter(integration__workspace=self.scope.workspace)

    @extend_schema(
        summary="Count which ways runs took",
        parameters=[
            FLOW,
            WITHIN,
            OpenApiParameter("version", int, description="Only runs of this version."),
        ],
        responses={200: PassagesSerializer, **refusals(400, 404)},
    )
    def list(self, request: Request, flow: str) -> Response:
        """
        Count the ways that runs took out of each step in the last 24 hours.

        A run counts once, when it ends, with the ways of its last try. Name the environment.
        """
        found: Flow = get_object_or_404(self.get_queryset(), public_id=flow)
        pair = self._pair(found)
        traffic = passages.of_flow(found, pair, now=timezone.now(), version=self._version(found))
        ways = [
            {
                "step": step,
                "how": _NAMES.get(way, "left"),
                "exit": "" if way in _NAMES else way,
                "times": times,
            }
            for step, taken in sorted(traffic.taken.items())
            for way, times in sorted(taken.items())
        ]
        told = {"environment": pair.environment.slug, "since": traffic.since, "ways": ways}
        return Response(PassagesSerializer(told).data)

    def _pair(self, flow: Flow) -> Pair:
        here = self.scope.environment
        pairs = Pair.objects.filter(integration=flow.integration_id, environment=here)
        found = pairs.select_related("environment").first() if here is not None else None
        if found is None:
            raise ValidationError({"environment": "Name an environment in which the flow is connected."})
        return found

    def _version(self, flow: Flow) -> FlowVersion | None:
        given = self.request.query_params.get("version", "")
        if not given:
            return None
        if not (given.isascii() and given.isdecimal() and len(given) < 10):
            raise ValidationError({"version": "Give the number of a version."})
        version: FlowVersion = get_object_or_404(flow.versions, number=int(given))
        return version
