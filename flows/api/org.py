"""This module is the REST interface of preparing an org for flows: their needs, a package, its deployment."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api import asking_the_other_side
from connectors.models import Connection
from connectors.org_deployment import Progress
from connectors.salesforce.package.choosing import State
from flows import preparing
from integrator.accounts.rest import ScopedViewSet, refusals


class ChosenFlowsSerializer(serializers.Serializer[Any]):
    """For which flows an org is looked at or prepared."""

    flows = serializers.ListField(
        child=serializers.CharField(max_length=24),
        required=False,
        allow_null=True,
        max_length=500,
        help_text="Ids of flows. Left out: those that are live with the connection.",
    )


class LentSessionSerializer(ChosenFlowsSerializer):
    """The session of an administrator, for one step."""

    access_token = serializers.CharField(
        max_length=4096, write_only=True, help_text="Used for this step and kept nowhere."
    )


class LentSessionAgainSerializer(LentSessionSerializer):
    """The session of an administrator, and what the step before has handed out."""

    ticket = serializers.CharField(max_length=60_000, help_text="Of the answer before.")


class NeededComponentSerializer(serializers.Serializer[Any]):
    """One thing that flows need of the org."""

    kind = serializers.CharField(help_text="As the Metadata API calls it.")
    name = serializers.CharField()
    state = serializers.ChoiceField(
        choices=[state.value for state in State],
        help_text="new: the package brings it. there: nothing is to be done. different: something else goes "
        "by its name and stays. elsewhere: missing, and not of the package. unknown: hidden from the user.",
    )
    flows = serializers.ListField(child=serializers.CharField(), help_text="The flows that need it.")
    told = serializers.CharField(help_text="Why, or what there is to say.")


class OrgNeedsSerializer(serializers.Serializer[Any]):
    """What flows need of an org, and how it stands to each of it."""

    flows = serializers.ListField(child=serializers.CharField())
    at = serializers.DateTimeField(help_text="When it was looked.")
    components = NeededComponentSerializer(many=True, source="choice.components")


class DeployedLineSerializer(serializers.Serializer[Any]):
    """What became of one component."""

    kind = serializers.CharField()
    name = serializers.CharField()
    outcome = serializers.CharField(help_text="created, changed or failed.")
    problem = serializers.CharField()
    remedy = serializers.CharField(help_text="What to do about it, where that is known.")


class OrgProgressSerializer(serializers.Serializer[Any]):
    """How far a check or a deployment is."""

    state = serializers.CharField(
        help_text="complete (nothing to do), checking, checked, deploying, deployed or failed. Look again "
        "while it is checking or deploying."
    )
    title = serializers.CharField()
    told = serializers.CharField()
    ticket = serializers.CharField(help_text="To be sent with the next step. It counts for an hour.")
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    lines = DeployedLineSerializer(many=True)


@extend_schema(tags=["connections"])
class OrgViewSet(ScopedViewSet[Connection]):
    """Preparing the org of a connection for flows."""

    queryset = Connection.objects.filter(system=Connection.System.SALESFORCE).select_related(
        "environment__workspace"
    )
    serializer_class = OrgNeedsSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("compare", "package", "check", "look", "deploy"), "connections.manage"
    )

    @extend_schema(
        summary="Compare what flows need with the org",
        request=ChosenFlowsSerializer,
        responses={200: OrgNeedsSerializer, **refusals(400, 403, 404, 502)},
    )
    def compare(self, request: Request, id: str) -> Response:
        """List everything that flows need of the org, which flows do, and how the org stands to it."""
        return Response(OrgNeedsSerializer(self._listing()).data)

    @extend_schema(
        summary="Make the package of what the org lacks",
        request=ChosenFlowsSerializer,
        responses={(200, "application/zip"): OpenApiTypes.BINARY, **refusals(400, 403, 404, 502)},
    )
    def package(self, request: Request, id: str) -> HttpResponse:
        """Return a zip for the Metadata API with what flows need and the org lacks, and nothing else."""
        content = preparing.package(self._listing())
        disposition = f'attachment; filename="{preparing.FILE_NAME}"'
        return HttpResponse(
            content, content_type="application/zip", headers={"Content-Disposition": disposition}
        )

    @extend_schema(
        summary="Check a deployment",
        request=LentSessionSerializer,
        responses={200: OrgProgressSerializer, **refusals(400, 403, 404, 502)},
    )
    def check(self, request: Request, id: str) -> Response:
        """Let the org check what would be deployed, as an administrator; nothing is changed."""
        given = self.read(LentSessionSerializer)
        connection = self.get_object()
        with asking_the_other_side():
            progress = preparing.check(
                connection=connection,
                flows=given.get("flows"),
                session=given["access_token"],
                **self.by(),
            )
        return _shown(progress)

    @extend_schema(
        summary="Look how far a deployment is",
        request=LentSessionAgainSerializer,
        responses={200: OrgProgressSerializer, **refusals(400, 403, 404, 502)},
    )
    def look(self, request: Request, id: str) -> Response:
        """Show how far a check or a deployment is, and what became of each component."""
        given = self.read(LentSessionAgainSerializer)
        connection = self.get_object()
        with asking_the_other_side():
            progress = preparing.look(
                connection=connection,
                flows=given.get("flows"),
                session=given["access_token"],
                ticket=given["ticket"],
                **self.by(),
            )
        return _shown(progress)

    @extend_schema(
        summary="Deploy what was checked",
        request=LentSessionAgainSerializer,
        responses={200: OrgProgressSerializer, **refusals(400, 403, 404, 502)},
    )
    def deploy(self, request: Request, id: str) -> Response:
        """Deploy exactly what was checked; everything, or nothing."""
        given = self.read(LentSessionAgainSerializer)
        connection = self.get_object()
        with asking_the_other_side():
            progress = preparing.deploy(
                connection=connection,
                flows=given.get("flows"),
                session=given["access_token"],
                ticket=given["ticket"],
                **self.by(),
            )
        return _shown(progress)

    def _listing(self) -> preparing.Listing:
        given = self.read(ChosenFlowsSerializer)
        connection = self.get_object()
        with asking_the_other_side():
            return preparing.listing(connection=connection, flows=given.get("flows"), now=self.by()["now"])


def _shown(progress: Progress) -> Response:
    return Response(OrgProgressSerializer(progress).data)
