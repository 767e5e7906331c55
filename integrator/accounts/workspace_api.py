"""This module is the REST interface of a workspace itself: its name and its time zone."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrator.accounts import workspaces
from integrator.accounts.access import scope_of
from integrator.accounts.models import Workspace
from integrator.accounts.rest import refusals
from integrator.kernel.refusals import Unacceptable


class WorkspaceSerializer(serializers.ModelSerializer[Workspace]):
    """A workspace, by whose clock hours and days are counted."""

    class Meta:
        model = Workspace
        fields = ("name", "slug", "time_zone")
        read_only_fields = ("name", "slug")


class WorkspaceItself(APIView):
    """The workspace of the token."""

    permissions: ClassVar[dict[str, str]] = {"get": "workspace.view", "patch": "workspace.manage"}

    @extend_schema(
        tags=["workspace"], operation_id="workspace_retrieve", summary="Show the workspace",
        responses={200: WorkspaceSerializer, **refusals(401)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Answer with its name and time zone."""
        return Response(WorkspaceSerializer(scope_of(request._request).workspace).data)

    @extend_schema(
        tags=["workspace"], operation_id="workspace_partial_update", summary="Choose the time zone",
        request=WorkspaceSerializer, responses={200: WorkspaceSerializer, **refusals(400, 401, 403)},
    )  # fmt: skip
    def patch(self, request: Request) -> Response:
        """Times on pages, known events and what is usual at an hour follow the zone."""
        scope = scope_of(request._request)
        told = WorkspaceSerializer(data=request.data)
        told.is_valid(raise_exception=True)
        try:
            found = workspaces.move(
                workspace=scope.workspace, actor=scope.actor, now=timezone.now(),
                time_zone=told.validated_data.get("time_zone", scope.workspace.time_zone),
            )  # fmt: skip
        except Unacceptable as refusal:
            raise ValidationError({refusal.field: str(refusal)}) from None
        return Response(WorkspaceSerializer(found).data)
