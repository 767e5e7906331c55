"""This module is the REST interface of deployments: which version is live for which pair."""

from __future__ import annotations

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import holds, leftovers, publishing
from flows.models import Deployment, FlowVersion, Pair
from integrator.accounts.rest import NUMBER, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact_text


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    """Which version of a flow is live for a pair, since when and by whom."""

    flow = serializers.SlugRelatedField[Any](slug_field="public_id", read_only=True)
    version = serializers.SlugRelatedField[Any](slug_field="number", read_only=True)
    integration = serializers.CharField(source="pair.integration.slug", read_only=True)
    environment = serializers.CharField(source="pair.environment.slug", read_only=True)
    held_reason = serializers.SerializerMethodField()

    class Meta:
        model = Deployment
        fields = (
            "id", "flow", "version", "integration", "environment", "enabled", "deployed_at", "deployed_by",
            "ended_at", "held_since", "held_until", "held_reason",
        )  # fmt: skip
        read_only_fields = fields

    def get_held_reason(self, deployment: Deployment) -> str:
        """Return why its runs wait, without secrets; empty if they do not."""
        return redact_text(deployment.held_reason)


class NewDeploymentSerializer(serializers.Serializer[Any]):
    """Which version of which flow becomes live in which environment."""

    flow = serializers.CharField(max_length=24, help_text="Id of the flow.")
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="Number of the version.")
    environment = serializers.SlugField(help_text="Slug of the environment.")


class DiscardedRunsSerializer(serializers.Serializer[Any]):
    """Why nothing is to be done."""

    reason = serializers.CharField(max_length=400, help_text="It is kept with the runs and the audit trail.")


class EndedSerializer(serializers.Serializer[Any]):
    """What became of the runs that waited."""

    ended = serializers.IntegerField(help_text="How many wait no longer. One that is tried now is left.")


class DeploymentFilter(RowFilter):
    """Deployments of a flow, live or past."""

    flow = filters.CharFilter(field_name="flow__public_id", help_text="Id of the flow.")
    live = filters.BooleanFilter(
        field_name="ended_at", lookup_expr="isnull", help_text="true: only what is live; false: history."
    )

    held = filters.BooleanFilter(
        field_name="held_since",
        lookup_expr="isnull",
        exclude=True,
        help_text="true: only what waits for the org to be mended.",
    )

    class Meta:
        model = Deployment
        fields = ("flow", "live", "enabled", "held")


@extend_schema(tags=["flows"])
@extend_schema_view(
    list=extend_schema(summary="List deployments", parameters=[WITHIN]),
    retrieve=extend_schema(
        summary="Show a deployment", responses={200: DeploymentSerializer, **refusals(404)}
    ),
)
class DeploymentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Deployment]):
    """Deployments."""

    queryset = Deployment.objects.select_related(
        "flow", "version", "pair__integration", "pair__environment__workspace"
    )
    serializer_class = DeploymentSerializer
    filterset_class = DeploymentFilter
    environment_at = "pair__environment"
    lookup_url_kwarg = "id"
    lookup_value_regex = NUMBER
    conflicts = (publishing.NotLive, publishing.Undeployable, holds.NotHeld, leftovers.NotReplaced)
    permissions: ClassVar[dict[str, str]] = {
        "list": "flows.view",
        "retrieve": "flows.view",
        "create": "flows.deploy",
        "on": "flows.deploy",
        "off": "flows.deploy",
        "try_now": "flows.release",
        "carry_over": "flows.release",
        "discard": "deadletters.discard",
    }

    @extend_schema(
        summary="Deploy a version",
        request=NewDeploymentSerializer,
        responses={201: DeploymentSerializer, **refusals(400, 409)},
    )
    def create(self, request: Request) -> Response:
        """Make a version live in place of the one that was. Rolling back is deploying an older version."""
        given = self.read(NewDeploymentSerializer)
        version = self._version(given)
        made = publishing.deploy(version=version, pair=self._pair(given, version), **self.by())
        return Response(DeploymentSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Switch a flow on", request=None, responses={200: DeploymentSerializer, **refusals(404, 409)}
    )
    @action(methods=["POST"], detail=True)
    def on(self, request: Request, id: str) -> Response:
        """Let events start the flow again."""
        return self._switch(enabled=True)

    @extend_schema(
        summary="Switch a flow off", request=None, responses={200: DeploymentSerializer, **refusals(404, 409)}
    )
    @action(methods=["POST"], detail=True)
    def off(self, request: Request, id: str) -> Response:
        """Let events pass without starting the flow. Runs that were opened still finish."""
        return self._switch(enabled=False)

    @extend_schema(
        summary="Let a held flow try again",
        request=None,
        responses={200: DeploymentSerializer, **refusals(404, 409)},
    )
    @action(methods=["POST"], detail=True, url_path="try")
    def try_now(self, request: Request, id: str) -> Response:
        """Let the runs that wait go on at once. If the cause is still there, they are held again."""
        return Response(DeploymentSerializer(holds.try_now(deployment=self.get_object(), **self.by())).data)

    @extend_schema(
        summary="Have the live version do what waits for a held one",
        request=None,
        responses={200: EndedSerializer, **refusals(404, 409)},
    )
    @action(methods=["POST"], detail=True, url_path="carry-over")
    def carry_over(self, request: Request, id: str) -> Response:
        """Replace each run that waits for a held, replaced version by a run of the version that is live."""
        ended = leftovers.carry_over(deployment=self.get_object(), **self.by())
        return Response({"ended": ended})

    @extend_schema(
        summary="Discard what waits for a held version",
        request=DiscardedRunsSerializer,
        responses={200: EndedSerializer, **refusals(400, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def discard(self, request: Request, id: str) -> Response:
        """End each run that waits for a held, replaced version without doing what it was for."""
        reason = self.read(DiscardedRunsSerializer)["reason"]
        ended = leftovers.discard(deployment=self.get_object(), reason=reason, **self.by())
        return Response({"ended": ended})

    def _switch(self, *, enabled: bool) -> Response:
        found = publishing.switch(deployment=self.get_object(), enabled=enabled, **self.by())
        return Response(DeploymentSerializer(found).data)

    def _version(self, given: dict[str, Any]) -> FlowVersion:
        rows = FlowVersion.objects.filter(flow__integration__workspace=self.scope.workspace)
        found = rows.filter(flow__public_id=given["flow"], number=given["version"]).first()
        if found is None:
            raise ValidationError({"version": "There is no such version of such a flow here."})
        return found

    def _pair(self, given: dict[str, Any], version: FlowVersion) -> Pair:
        environment = self.environment_named(given["environment"])
        found = Pair.objects.filter(environment=environment, integration=version.flow.integration_id).first()
        if found is None:
            raise ValidationError({"environment": "The integration's slots are not filled there yet."})
        return found
