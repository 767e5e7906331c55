"""This module is the REST interface of mending dead letters: remedies, edited objects, and saved fixes."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from flows import deadletters, editing, mending, remedies, saved_fixes
from flows.api.group_retries import GroupRetrySerializer
from flows.api.letters import DeadLetterSerializer
from flows.group_retries import FASTEST, SLOWEST, USUAL
from flows.mapping.mending import Fix
from flows.models import DeadLetter, SavedFix
from flows.models.runs import IllegalTransition
from integrator import vault
from integrator.accounts.rest import PUBLIC_ID, WITHIN, ScopedViewSet, refusals


class RemedySerializer(serializers.Serializer[Any]):
    """What may be approved: a change of one field of the record that a map step makes."""

    action = serializers.CharField(help_text="Of the error catalogue, such as cut_text.")
    ways = serializers.ListField(
        child=serializers.CharField(),
        help_text="cut, replace, default, empty, leave_out; the usual one first.",
    )
    step = serializers.CharField(help_text="The map step.")
    object = serializers.CharField()
    field = serializers.CharField()
    value = serializers.JSONField(allow_null=True, help_text="What was to be written, if that is known.")
    length = serializers.IntegerField(help_text="Characters that the field takes; 0: not known.")
    choices = serializers.ListField(child=serializers.CharField(), help_text="Values of its picklist.")


class ApproveSerializer(serializers.Serializer[Any]):
    """Which change is approved; what is left out is as is usual."""

    way = serializers.ChoiceField(
        required=False, default="", choices=["", "cut", "replace", "default", "empty", "leave_out"]
    )
    length = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1)
    value = serializers.CharField(required=False, default="", allow_blank=True, max_length=255)
    keep = serializers.BooleanField(required=False, default=False, help_text="Do it by itself from now on.")


class ApproveCauseSerializer(ApproveSerializer):
    """Which change is approved for a whole cause, where, and how fast the rest follows the first."""

    environment = serializers.SlugField()
    per_minute = serializers.IntegerField(default=USUAL, min_value=SLOWEST, max_value=FASTEST)


class EditableSerializer(serializers.Serializer[Any]):
    """The object of an event, with its secrets masked."""

    text = serializers.CharField(help_text="JSON, to be edited and sent back.")


class EditSerializer(serializers.Serializer[Any]):
    """An edited object, and why."""

    text = serializers.CharField(max_length=editing.LARGEST, trim_whitespace=False)
    reason = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=editing.LONGEST_REASON,
        help_text="Required where an amount or a currency is changed.",
    )


@extend_schema(tags=["dead letters"])
class MendingViewSet(ScopedViewSet[DeadLetter]):
    """What lets dead letters through."""

    queryset = DeadLetter.objects.select_related(
        "event__connection__environment", "run__flow", "run__version", "run__pair__salesforce"
    )
    serializer_class = DeadLetterSerializer
    environment_at = "event__connection__environment"
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (
        deadletters.AlreadyHandled,
        IllegalTransition,
        remedies.NoRemedy,
        editing.NotEditable,
    )
    permissions: ClassVar[dict[str, str]] = {
        "remedy": "runs.payload",
        "object": "runs.payload",
        "approve": "deadletters.mend",
        "approve_cause": "deadletters.mend",
        "edit": "deadletters.mend",
    }

    @extend_schema(
        summary="Show what would help a dead letter", responses={200: RemedySerializer, **refusals(404, 409)}
    )
    def remedy(self, request: Request, id: str) -> Response:
        """Return the change of the record that may be approved; 409 where there is none."""
        return Response(RemedySerializer(remedies.of(self.get_object())).data)

    @extend_schema(
        summary="Approve a remedy",
        request=ApproveSerializer,
        responses={200: DeadLetterSerializer, **refusals(400, 404, 409)},
    )
    def approve(self, request: Request, id: str) -> Response:
        """Try the letter again with a change of what its run writes."""
        approval = mending.Approval(**self.read(ApproveSerializer))
        done = mending.approve(letter=self.get_object(), approval=approval, **self.by())
        return self._shown(done)

    @extend_schema(
        summary="Approve a remedy for a whole cause",
        request=ApproveCauseSerializer,
        responses={201: GroupRetrySerializer, **refusals(400, 409)},
    )
    def approve_cause(self, request: Request, id: str) -> Response:
        """Try one letter of the cause with a change first; the rest follows if that works."""
        given = self.read(ApproveCauseSerializer)
        here = self.environment_named(given.pop("environment"))
        per_minute = given.pop("per_minute")
        going = mending.approve_cause(
            environment=here,
            fingerprint=id,
            approval=mending.Approval(**given),
            per_minute=per_minute,
            **self.by(),
        )
        return Response(GroupRetrySerializer(going).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Show the object of a dead letter to be edited",
        responses={200: EditableSerializer, **refusals(404, 409)},
    )
    def object(self, request: Request, id: str) -> Response:
        """Return the object of the letter's event as text; 409 where there is none to edit."""
        return Response({"text": editing.editable(self.get_object()).text})

    @extend_schema(
        summary="Retry a dead letter with an edited object",
        request=EditSerializer,
        responses={200: DeadLetterSerializer, **refusals(400, 404, 409)},
    )
    def edit(self, request: Request, id: str) -> Response:
        """Try the letter again with an edited copy of its object; the event stays as it came."""
        given = self.read(EditSerializer)
        may = self.scope.can("deadletters.edit_money")
        done = mending.edit(letter=self.get_object(), **given, may_edit_money=may, **self.by())
        return self._shown(done)

    def _shown(self, letter: DeadLetter) -> Response:
        return Response(DeadLetterSerializer(self.within(self.queryset.all()).get(pk=letter.pk)).data)


class SavedFixSerializer(serializers.ModelSerializer[SavedFix]):
    """An approval that is kept as a rule."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="pair.environment.slug", read_only=True)
    flow = serializers.CharField(source="flow.public_id", read_only=True)
    does = serializers.SerializerMethodField(help_text="What it does to the field; null: it does not open.")

    class Meta:
        model = SavedFix
        fields = (
            "id", "environment", "flow", "code", "field", "action", "does", "enabled", "paused_at",
            "created_by", "created_at", "uses", "last_used_at",
        )  # fmt: skip
        read_only_fields = tuple(name for name in fields if name != "enabled")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_does(self, row: SavedFix) -> str | None:
        """Return what it does, without values."""
        try:
            fix: Fix = row.fix
        except vault.Unreadable:
            return None
        return fix.told()


class SwitchFixSerializer(serializers.Serializer[Any]):
    """Whether a fix is applied."""

    enabled = serializers.BooleanField()


@extend_schema(tags=["dead letters"])
@extend_schema_view(
    list=extend_schema(
        summary="List saved fixes",
        parameters=[WITHIN],
        responses={200: SavedFixSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(summary="Show a saved fix", responses={200: SavedFixSerializer, **refusals(404)}),
)
class SavedFixViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[SavedFix]):
    """Approvals that are kept as rules."""

    queryset = SavedFix.objects.select_related("flow", "pair__environment__workspace")
    serializer_class = SavedFixSerializer
    environment_at = "pair__environment"
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "partial_update": "deadletters.mend",
        "destroy": "deadletters.mend",
    }

    @extend_schema(
        summary="Switch a saved fix on or off",
        request=SwitchFixSerializer,
        responses={200: SavedFixSerializer, **refusals(400, 404)},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Apply it from now on, or no more; one that paused itself counts anew."""
        given = self.read(SwitchFixSerializer)
        row = saved_fixes.switch(row=self.get_object(), on=given["enabled"], **self.by())
        return Response(SavedFixSerializer(row).data)

    @extend_schema(summary="Delete a saved fix", responses={204: None, **refusals(404)})
    def destroy(self, request: Request, id: str) -> Response:
        """Forget it; what it has changed stays."""
        saved_fixes.forget(row=self.get_object(), **self.by())
        return Response(status=status.HTTP_204_NO_CONTENT)
