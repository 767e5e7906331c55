"""This module is the REST interface of drafts: reading, changing, taking back and publishing them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from flows import checking, designer
from flows.api.design import VersionSerializer, problems_of_documents
from flows.designing import differences, edits
from flows.designing.tree import Refused
from flows.engine.kind import Kind
from flows.engine.trigger import KINDS
from flows.integrations import Taken
from flows.models import Draft, DraftEdit, Flow, FlowVersion, Integration
from flows.steps import registry
from integrator.accounts.rest import ScopedViewSet, refusals

LARGEST_REVISION = 2**31 - 1
VERSION = OpenApiParameter(
    "version", int, description="Number of the version to compare with. Left out: the newest."
)


class ProblemSerializer(serializers.Serializer[Any]):
    """One thing that keeps a draft from being published."""

    step = serializers.CharField(help_text="Id of the step at fault; empty: the flow itself.")
    field = serializers.CharField(help_text="The setting at fault.")
    message = serializers.CharField()


class DraftEditSerializer(serializers.ModelSerializer[DraftEdit]):
    """One change of a draft."""

    class Meta:
        model = DraftEdit
        fields = ("revision", "actor", "at", "label", "state", "focus")
        read_only_fields = fields


class DraftSerializer(serializers.ModelSerializer[Draft]):
    """What people are changing: a flow document that may be unfinished."""

    flow = serializers.SlugRelatedField[Any](slug_field="public_id", read_only=True)
    document = serializers.DictField(read_only=True)
    base_version = serializers.SlugRelatedField[Any](slug_field="number", read_only=True, allow_null=True)
    is_changed = serializers.BooleanField(help_text="Whether it says anything else than that version.")
    problems = serializers.SerializerMethodField()
    edits = serializers.SerializerMethodField(help_text="The last changes, the newest first.")

    class Meta:
        model = Draft
        fields = (
            "flow",
            "revision",
            "base_version",
            "is_changed",
            "changed_by",
            "changed_at",
            "document",
            "problems",
            "edits",
        )
        read_only_fields = fields

    def get_problems(self, draft: Draft) -> list[dict[str, str]]:
        """Return what keeps the draft from being published."""
        return [
            {"step": found.step, "field": found.field, "message": found.message}
            for found in designer.problems(draft)
        ]

    def get_edits(self, draft: Draft) -> list[dict[str, Any]]:
        """Return the last changes."""
        return list(DraftEditSerializer(draft.edits.told(), many=True).data)


class EditsSerializer(serializers.Serializer[Any]):
    """Changes of a draft that are made together or not at all."""

    revision = serializers.IntegerField(
        min_value=1, max_value=LARGEST_REVISION, help_text="The revision that the changes were made on."
    )
    edits = serializers.ListField(
        child=serializers.DictField(), help_text="The changes, in order; `edit` names the kind of each."
    )


class StepDifferenceSerializer(serializers.Serializer[Any]):
    """One thing that the draft does otherwise than a version."""

    kind = serializers.CharField(help_text="added, removed, changed or moved.")
    about = serializers.CharField(help_text="What people call the step.")
    text = serializers.CharField(help_text="What is new about it, in words.")


class LineDifferenceSerializer(serializers.Serializer[Any]):
    """One mapping line that is otherwise than in a version."""

    step = serializers.CharField(help_text="Id of the map step.")
    field = serializers.CharField()
    kind = serializers.CharField(help_text="added, removed or changed.")
    was = serializers.DictField(
        allow_null=True, help_text="The line in the version; the edit `set_line` puts it back."
    )
    now = serializers.DictField(allow_null=True, help_text="The line in the draft.")


class DifferencesSerializer(serializers.Serializer[Any]):
    """What the draft does otherwise than a version."""

    version = serializers.IntegerField()
    differences = StepDifferenceSerializer(many=True)
    lines = LineDifferenceSerializer(many=True)


class RevisionSerializer(serializers.Serializer[Any]):
    """The revision that was looked at."""

    revision = serializers.IntegerField(min_value=1, max_value=LARGEST_REVISION)


class PublishSerializer(RevisionSerializer):
    """What was looked at, and what is new in it."""

    note = serializers.CharField(max_length=500, help_text="What this version changes.")


class NewDraftSerializer(serializers.Serializer[Any]):
    """What a new flow is called, and where it belongs."""

    integration = serializers.SlugField(help_text="Slug of the integration.")
    name = serializers.CharField(max_length=100)
    starts = serializers.ChoiceField(
        choices=KINDS, required=False, default=KINDS[0], help_text="The kind of trigger that it begins with."
    )


class StepKindSerializer(serializers.Serializer[Any]):
    """A type of step."""

    slug = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of ours, which the base has too
    help = serializers.SerializerMethodField(help_text="What it does.")
    nature = serializers.CharField(help_text="Whether it reads, writes, decides, starts or asks something.")
    exits = serializers.ListField(child=serializers.CharField(), help_text="Exits that it always has.")
    body = serializers.CharField(help_text="The exit whose steps are taken for each element; or empty.")
    can_fail = serializers.BooleanField(help_text="Whether it may have steps that handle its failure.")
    settings = serializers.SerializerMethodField(help_text="The JSON Schema of its settings.")

    def get_help(self, kind: Kind) -> str:
        """Return what a step of this kind does."""
        return inspect.getdoc(type(kind)) or ""

    def get_settings(self, kind: Kind) -> dict[str, Any]:
        """Return the JSON Schema of the settings."""
        return kind.settings_model.model_json_schema()


@contextmanager
def refused_edits() -> Iterator[None]:
    """
    Turn edits that do not fit into an error of the request.

    :raises ValidationError: in the words of whoever refused
    """
    try:
        yield
    except edits.InvalidEdit as invalid:
        raise ValidationError(invalid.errors) from None
    except Refused as refusal:
        raise ValidationError({"edits": str(refusal)}) from None


@extend_schema(tags=["drafts"])
class DraftViewSet(ScopedViewSet[Flow]):
    """The draft of a flow."""

    queryset = Flow.objects.select_related("integration__workspace")
    serializer_class = DraftSerializer  # type: ignore[assignment]  # it shows what belongs to the flow
    lookup_field = "public_id"
    lookup_url_kwarg = "flow"
    conflicts = (designer.Conflict, Taken)
    permissions: ClassVar[dict[str, str]] = {
        "retrieve": "flows.view",
        "differences": "flows.view",
        "partial_update": "flows.edit",
        "create": "flows.edit",
        "undo": "flows.edit",
        "redo": "flows.edit",
        "publish": "flows.edit",
        "discard": "flows.edit",
    }

    def within(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Return the flows of the workspace."""
        return rows.filter(integration__workspace=self.scope.workspace)

    @extend_schema(
        summary="Start a new flow",
        request=NewDraftSerializer,
        responses={201: DraftSerializer, **refusals(400, 409)},
    )
    def create(self, request: Request) -> Response:
        """Make a flow without versions. Its draft is empty."""
        given = self.read(NewDraftSerializer)
        place = Integration.objects.filter(workspace=self.scope.workspace, slug=given["integration"]).first()
        if place is None:
            raise ValidationError({"integration": "There is no such integration here."})
        try:
            draft = designer.create_flow(
                integration=place, name=given["name"], starts=given["starts"], **self.by()
            )
        except ValueError as refusal:
            raise ValidationError({"name": str(refusal)}) from None
        return Response(DraftSerializer(draft).data, status=status.HTTP_201_CREATED)

    @extend_schema(summary="Show a draft", responses={200: DraftSerializer, **refusals(404)})
    def retrieve(self, request: Request, flow: str) -> Response:
        """Show the draft of a flow; one that nobody has begun says what the newest version says."""
        return self._shown(self._draft())

    @extend_schema(
        summary="Compare a draft with a version",
        parameters=[VERSION],
        responses={200: DifferencesSerializer, **refusals(400, 404)},
    )
    def differences(self, request: Request, flow: str) -> Response:
        """Say what the draft does otherwise than a version, step by step and line by line."""
        draft, version = self._draft(), self._version(request.query_params.get("version", ""))
        told = {
            "version": version.number,
            "differences": [
                one._asdict()
                for one in differences.between(version.document, draft.document, registry.load())
            ],
            "lines": [one._asdict() for one in differences.lines_between(version.document, draft.document)],
        }
        return Response(DifferencesSerializer(told).data)

    @extend_schema(
        summary="Change a draft",
        request=EditsSerializer,
        responses={200: DraftSerializer, **refusals(400, 404, 409)},
    )
    def partial_update(self, request: Request, flow: str) -> Response:
        """
        Make changes on the revision that you looked at, all or none.

        What others changed since is merged with them, unless it touches the same part: that is a conflict.
        """
        draft, given = self._draft(), self.read(EditsSerializer)
        with refused_edits():
            changes = edits.read(given["edits"])
            return self._shown(designer.apply(draft, changes, revision=given["revision"], **self.by()))

    @extend_schema(
        summary="Take a change back", request=None, responses={200: DraftSerializer, **refusals(404, 409)}
    )
    def undo(self, request: Request, flow: str) -> Response:
        """Take back the last change that was made with this token, or by this person."""
        return self._shown(designer.undo(self._draft(), **self.by()))

    @extend_schema(
        summary="Make a change again", request=None, responses={200: DraftSerializer, **refusals(404, 409)}
    )
    def redo(self, request: Request, flow: str) -> Response:
        """Make the change again that was taken back last."""
        return self._shown(designer.redo(self._draft(), **self.by()))

    @extend_schema(
        summary="Discard a draft",
        request=RevisionSerializer,
        responses={200: DraftSerializer, **refusals(400, 404, 409)},
    )
    def discard(self, request: Request, flow: str) -> Response:
        """Go back to what the newest version says. Even that can be taken back."""
        draft, given = self._draft(), self.read(RevisionSerializer)
        return self._shown(designer.discard(draft, revision=given["revision"], **self.by()))

    @extend_schema(
        summary="Publish a draft",
        request=PublishSerializer,
        responses={201: VersionSerializer, **refusals(400, 404, 409)},
    )
    def publish(self, request: Request, flow: str) -> Response:
        """
        Freeze the draft as the next version, unless it would fail in the first environment that has it.

        Nothing runs on it until it is deployed.
        """
        draft, given = self._draft(), self.read(PublishSerializer)
        pairs = checking.pair_to_publish_for(draft.flow, self.scope.environments())
        with problems_of_documents():
            version = checking.publish(draft=draft, pairs=pairs, **given, **self.by())
        return Response(VersionSerializer(version).data, status=status.HTTP_201_CREATED)

    def _version(self, asked: str) -> FlowVersion:
        versions = self.get_object().versions.order_by("-number")
        if asked:
            if not asked.isdecimal() or int(asked[:12]) > LARGEST_REVISION:
                raise ValidationError({"version": "Name a version by its number."})
            versions = versions.filter(number=int(asked))
        found = versions.first()
        if found is None:
            raise NotFound("The flow has no such version.")
        return found

    def _draft(self) -> Draft:
        return designer.open_draft(self.get_object(), **self.by())

    def _shown(self, draft: Draft) -> Response:
        return Response(DraftSerializer(draft).data)


@extend_schema(tags=["drafts"])
class StepKindViewSet(ViewSet):
    """The step kinds that flows may use."""

    permissions: ClassVar[dict[str, str]] = {"list": "flows.view"}

    @extend_schema(
        summary="List step kinds", responses={200: StepKindSerializer(many=True), **refusals(401, 403)}
    )
    def list(self, request: Request) -> Response:
        """List every step kind with the JSON Schema of its settings."""
        return Response(StepKindSerializer(registry.load().values(), many=True).data)
