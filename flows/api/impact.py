"""This module is the REST interface of impacts: what changes of objects mean for the flows that are live."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from flows import designer
from flows.designing.tree import Refused
from flows.impact import applying, keeping, looking
from flows.impact.told import Finding
from flows.models import Deployment, Impact
from integrator.accounts.rest import NUMBER, WITHIN, RowFilter, ScopedViewSet, refusals

SECONDS = 4.0  # for the events that are counted while a program waits


class MendSerializer(serializers.Serializer[Any]):
    """Edits of the draft that would mend a line. The checks let the flow pass with them."""

    name = serializers.CharField(help_text="Names it among the mends of the finding.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field's name, not this one's label
    why = serializers.CharField()
    edits = serializers.ListField(
        child=serializers.DictField(), help_text="As a draft takes them, for the version that is live."
    )


class FindingSerializer(serializers.Serializer[Any]):
    """One line of a flow that a change concerns."""

    key = serializers.CharField(help_text="Names it, for as long as it is about the same line.")
    severity = serializers.ChoiceField(
        choices=["fails", "may", "know"], help_text="fails, may fail, or good to know."
    )
    system = serializers.CharField(help_text="Whose object has changed.")
    object = serializers.CharField(help_text="The object that has changed.")
    step = serializers.CharField(help_text="Id of the step.")
    title = serializers.CharField(help_text="What people call the step.")
    place = serializers.IntegerField(allow_null=True, help_text="The line's place in the step, from 1.")
    field = serializers.CharField(help_text="The field that the line fills, or the path or field it names.")
    sources = serializers.ListField(child=serializers.CharField(), help_text="What the line reads.")
    changed = serializers.ListField(child=serializers.CharField(), help_text="What is otherwise, in words.")
    why = serializers.CharField(help_text="What that does to the flow.")
    fix = serializers.CharField(help_text="What a person can do.")
    failing = serializers.IntegerField(help_text="Recent events that would fail by it.")
    mends = MendSerializer(many=True)


class ImpactSerializer(serializers.ModelSerializer[Impact]):
    """What has become of the lines of a live version since it was published."""

    deployment = serializers.IntegerField(source="deployment_id", read_only=True)
    flow = serializers.CharField(source="deployment.flow.public_id", read_only=True)
    version = serializers.IntegerField(source="deployment.version.number", read_only=True)
    environment = serializers.CharField(source="deployment.pair.environment.slug", read_only=True)
    severity = serializers.CharField(read_only=True, help_text="The most serious; empty: nothing.")
    findings = serializers.SerializerMethodField()

    class Meta:
        model = Impact
        fields = (
            "deployment", "flow", "version", "environment", "severity", "events", "failing", "example",
            "looked_at", "began_at", "findings",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(FindingSerializer(many=True))
    def get_findings(self, impact: Impact) -> list[dict[str, Any]]:
        """Return the lines, those that fail first."""
        found: list[Finding] = keeping.findings_of(impact)
        return list(FindingSerializer(found, many=True).data)


class ToMendSerializer(serializers.Serializer[Any]):
    """Which lines are to be mended, and how."""

    findings = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        max_length=applying.MOST,
        help_text="Keys of findings. Left out: all that have a mend.",
    )
    mends = serializers.DictField(
        child=serializers.CharField(max_length=40),
        required=False,
        help_text="By the key of a finding, the name of another of its mends than the first.",
    )


class MendedSerializer(serializers.Serializer[Any]):
    """The draft in which mends were made."""

    flow = serializers.CharField(help_text="Id of the flow, whose draft it is.")
    revision = serializers.IntegerField(help_text="The draft's revision now.")
    mended = serializers.IntegerField(help_text="How many lines were mended.")
    left = serializers.IntegerField(help_text="How many more can be mended after it, by the same request.")


class ImpactFilter(RowFilter):
    """Impacts of a flow, or of a severity."""

    flow = filters.CharFilter(field_name="deployment__flow__public_id", help_text="Id of the flow.")

    class Meta:
        model = Impact
        fields = ("flow", "severity")


@extend_schema(tags=["flows"])
@extend_schema_view(
    list=extend_schema(summary="List impacts", parameters=[WITHIN]),
    retrieve=extend_schema(summary="Show an impact", responses={200: ImpactSerializer, **refusals(404)}),
)
class ImpactViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Impact]):
    """What changes of objects mean for the versions that are live, by the id of the deployment."""

    queryset = Impact.objects.select_related(
        "deployment__flow", "deployment__version", "deployment__pair__environment"
    )
    serializer_class = ImpactSerializer
    filterset_class = ImpactFilter
    environment_at = "deployment__pair__environment"
    lookup_field = "deployment_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = NUMBER
    conflicts = (applying.NothingToMend, designer.Conflict, Refused)
    permissions: ClassVar[dict[str, str]] = {
        "list": "flows.view",
        "retrieve": "flows.view",
        "look": "schemas.refresh",
        "mend": "flows.edit",
    }

    def within(self, rows: QuerySet[Impact]) -> QuerySet[Impact]:
        """Return those of what is live within reach of the request."""
        return super().within(rows).filter(deployment__ended_at__isnull=True)

    @extend_schema(
        summary="Look again", request=None, responses={200: ImpactSerializer, **refusals(403, 404)}
    )
    def look(self, request: Request, id: str) -> Response:
        """Ask about the objects again, and work out anew what has become of the lines."""
        now = self.by()["now"]
        deployment = self._deployment()
        looking.ask_again(deployment, now=now)
        return Response(ImpactSerializer(keeping.renew(deployment, now=now, seconds=SECONDS)).data)

    @extend_schema(
        summary="Mend in the draft",
        request=ToMendSerializer,
        responses={200: MendedSerializer, **refusals(400, 403, 404, 409)},
    )
    def mend(self, request: Request, id: str) -> Response:
        """
        Make mends in the flow's draft, as one change that can be taken back. Nothing goes live by it.

        They are worked out for the draft as it is now, which may have some of them already.
        """
        given = self.read(ToMendSerializer)
        deployment = self._deployment()
        done = applying.mend(
            deployment=deployment, keys=given.get("findings"), choices=given.get("mends"), **self.by()
        )
        told = {"flow": deployment.flow.public_id, "revision": done.draft.revision}
        return Response(MendedSerializer({**told, "mended": done.count, "left": done.left}).data)

    def _deployment(self) -> Deployment:
        return keeping.live().get(pk=self.get_object().deployment_id)
