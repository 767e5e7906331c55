"""This module is the REST interface of the doctor: every finding, and the gravest of them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrator.accounts.access import scope_of
from integrator.accounts.rest import WITHIN, refusals
from monitoring.doctor.findings import State, worst
from monitoring.doctor.table import examine
from monitoring.status import look_of

STATES = [(state.word, state.word) for state in State]


class StatusFindingSerializer(serializers.Serializer[Any]):
    """What one check of the doctor found."""

    name = serializers.CharField(help_text="The sort of check, such as workers; it stays the same.")
    about = serializers.CharField(help_text="Which of several things it is about; empty where there is one.")
    state = serializers.ChoiceField(choices=STATES, source="state.word")
    detail = serializers.CharField(help_text="What was found.")
    remedy = serializers.CharField(help_text="What to do; empty where all is well.")
    page = serializers.CharField(help_text="Path of the page that helps; empty for none.")


class InstallationStatusSerializer(serializers.Serializer[Any]):
    """What the doctor finds."""

    at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=STATES, help_text="The gravest of the findings.")
    findings = StatusFindingSerializer(many=True)


class Status(APIView):
    """What the doctor finds."""

    permissions: ClassVar[dict[str, str]] = {"get": "status.view"}

    @extend_schema(
        tags=["health"],
        operation_id="status_retrieve",
        summary="Show what the doctor finds",
        parameters=[WITHIN],
        responses={200: InstallationStatusSerializer, **refusals(401, 403, 404)},
    )
    def get(self, request: Request) -> Response:
        """Answer with every finding as `manage.py doctor` has it, without calling Stripe or Salesforce."""
        look = look_of(scope_of(request._request))
        findings = examine(look)
        told = {"at": look.now, "state": worst(findings).word, "findings": findings}
        return Response(InstallationStatusSerializer(told).data)
