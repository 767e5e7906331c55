"""This module is the REST interface of dead letters: look, retry one or many, discard."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import deadletters, explanations, missing_parents
from flows.error_catalogue import of_failure
from flows.models import DeadLetter
from flows.models.runs import IllegalTransition
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact_text


class LetterVerdictSerializer(serializers.Serializer[Any]):
    """What the error catalogue says of it: what it is, what can be done, and who has to agree to that."""

    error_class = serializers.CharField(source="cls", help_text="Such as data, lock or missing_ref.")
    action = serializers.CharField(help_text="What can be done about it, such as cut_text or grant_access.")
    autonomy = serializers.ChoiceField(
        choices=["approve", "human"],
        help_text="approve: a fix is known, and somebody has to agree; human: only a person can mend it.",
    )
    retryable = serializers.BooleanField(help_text="Whether the same may succeed with nothing changed.")
    explanation = serializers.CharField(help_text="The cause, for people.")
    params = serializers.DictField(
        child=serializers.CharField(),
        help_text="What the message tells of: field, max_length, record_id, external_id, value and others.",
    )
    rule = serializers.CharField(source="rule_id", help_text="The rule of the catalogue that fits.")


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """What gave up, why, and what may help."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="event.connection.environment.slug", read_only=True)
    event = serializers.IntegerField(source="event_id", read_only=True)
    external_id = serializers.CharField(source="event.external_id", read_only=True)
    run = serializers.CharField(source="run.public_id", read_only=True, default=None, allow_null=True)
    flow = serializers.CharField(source="run.flow.public_id", read_only=True, default=None, allow_null=True)
    message = serializers.SerializerMethodField()
    verdict = serializers.SerializerMethodField()

    class Meta:
        model = DeadLetter
        fields = (
            "id", "environment", "event", "external_id", "run", "flow", "error_class", "code", "field",
            "step", "system", "http_status", "message", "suggestion", "fingerprint", "created_at",
            "resolved_at", "resolution", "resolved_by", "verdict",
        )  # fmt: skip
        read_only_fields = fields

    def get_message(self, letter: DeadLetter) -> str:
        """Return the other system's words, without secrets."""
        return redact_text(letter.message)

    @extend_schema_field(LetterVerdictSerializer)
    def get_verdict(self, letter: DeadLetter) -> dict[str, Any]:
        """Return what the error catalogue says of it."""
        return LetterVerdictSerializer(of_failure(letter, given_up=True)).data


class LetterParentSerializer(serializers.Serializer[Any]):
    """The record of the org that the run lacked, and how it stands."""

    object = serializers.CharField(help_text="The API name.")
    external_id = serializers.CharField()
    said = serializers.CharField(help_text="Who fetches it, or why nobody does, for people.")
    run = serializers.CharField(
        source="run.public_id", default=None, allow_null=True, help_text="The run that fetches it."
    )


class OneLetterSerializer(DeadLetterSerializer):
    """The same of one letter, with the parent that it waits for."""

    missing_parent = serializers.SerializerMethodField()

    class Meta:
        model = DeadLetter
        fields = (*DeadLetterSerializer.Meta.fields, "missing_parent")
        read_only_fields = fields

    @extend_schema_field(LetterParentSerializer(allow_null=True))
    def get_missing_parent(self, letter: DeadLetter) -> dict[str, Any] | None:
        """Return how the missing parent stands; nothing where none is missing."""
        found = missing_parents.standing_of(letter)
        return None if found is None else LetterParentSerializer(found).data


class ExplanationSerializer(serializers.Serializer[Any]):
    """What a hosted model wrote about an error, which may be wrong, and what it is told."""

    sent = serializers.CharField(help_text="All that is sent.")
    text = serializers.CharField(allow_null=True, help_text="Plain text; null: it was not asked yet.")
    model = serializers.CharField(allow_null=True)
    asked_at = serializers.DateTimeField(allow_null=True)


class WhichLettersSerializer(serializers.Serializer[Any]):
    """Which of the unresolved letters to retry; nothing means all of them."""

    environment = serializers.SlugField(required=False)
    flow = serializers.CharField(required=False, max_length=24)
    error_class = serializers.CharField(required=False, max_length=40)
    code = serializers.CharField(required=False, max_length=100)
    fingerprint = serializers.CharField(required=False, max_length=64)


class RetriedSerializer(serializers.Serializer[Any]):
    """How many letters are tried again."""

    retried = serializers.IntegerField()


class DiscardSerializer(serializers.Serializer[Any]):
    """Why nothing is to be done."""

    reason = serializers.CharField(max_length=200)


class DeadLetterFilter(RowFilter):
    """Letters by what failed and whether somebody has dealt with it."""

    resolved = filters.BooleanFilter(
        field_name="resolved_at",
        lookup_expr="isnull",
        exclude=True,
        help_text="false: only what waits for a person; true: only what was dealt with.",
    )
    flow = filters.CharFilter(field_name="run__flow__public_id", help_text="Id of the flow.")
    external_id = filters.CharFilter(field_name="event__external_id", help_text="The event's own id.")
    object_id = filters.CharFilter(field_name="event__object_id", help_text="Such as pi_....")
    error_class = filters.CharFilter()
    code = filters.CharFilter()
    fingerprint = filters.CharFilter(help_text="What letters with the same cause share.")

    class Meta:
        model = DeadLetter
        fields = ()


@extend_schema(tags=["dead letters"])
@extend_schema_view(
    list=extend_schema(
        summary="List dead letters",
        description="What gave up, newest first.",
        parameters=[WITHIN],
        responses={200: DeadLetterSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a dead letter", responses={200: OneLetterSerializer, **refusals(404)}
    ),
)
class DeadLetterViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[DeadLetter]):
    """Dead letters."""

    queryset = DeadLetter.objects.select_related("event__connection__environment", "run__flow").defer(
        "event__body"
    )
    serializer_class = DeadLetterSerializer
    filterset_class = DeadLetterFilter
    environment_at = "event__connection__environment"
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (deadletters.AlreadyHandled, IllegalTransition, explanations.NotExplained)
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "retry": "deadletters.retry",
        "retry_all": "deadletters.retry",
        "discard": "deadletters.discard",
        "explanation": "deadletters.explain",
    }

    @extend_schema(
        summary="Retry a dead letter",
        request=None,
        responses={200: DeadLetterSerializer, **refusals(404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def retry(self, request: Request, id: str) -> Response:
        """Try again what the letter is about, with its object read first."""
        return self._shown(deadletters.retry(letter=self.get_object(), **self.by()))

    @extend_schema(
        summary="Retry many dead letters",
        request=WhichLettersSerializer,
        responses={200: RetriedSerializer, **refusals(400)},
    )
    @action(methods=["POST"], detail=False, url_path="retry-all")
    def retry_all(self, request: Request) -> Response:
        """
        Try again every unresolved letter that fits, at once; without filters, all of them.

        At a pace, with a preview and a way to stop it, a cause is retried at `causes/<fingerprint>/retry/`.
        """
        retried = deadletters.retry_all(letters=self._which(), **self.by())
        return Response(RetriedSerializer({"retried": retried}).data)

    @extend_schema(
        summary="Discard a dead letter",
        request=DiscardSerializer,
        responses={200: DeadLetterSerializer, **refusals(400, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def discard(self, request: Request, id: str) -> Response:
        """Decide that nothing is to be done about it, and say why."""
        given = self.read(DiscardSerializer)
        letter = self.get_object()
        return self._shown(deadletters.discard(letter=letter, reason=given["reason"], **self.by()))

    @extend_schema(
        methods=["GET"],
        summary="Show what explains a dead letter",
        responses={200: ExplanationSerializer, **refusals(404, 409)},
    )
    @extend_schema(
        methods=["POST"],
        summary="Have a model explain a dead letter",
        request=None,
        responses={200: ExplanationSerializer, **refusals(404, 409)},
    )
    @action(methods=["GET", "POST"], detail=True)
    def explanation(self, request: Request, id: str) -> Response:
        """Have a hosted model explain it, if one is set up; GET shows what is sent and was answered."""
        letter = self.get_object()
        found = explanations.explain(letter, **self.by()) if request.method == "POST" else None
        if not explanations.may_be_asked(letter):
            raise explanations.NotExplained("No model is set up, or it is known what this is.")
        found = found or explanations.known(letter)
        told = {"text": None, "model": None, "asked_at": None} if found is None else asdict(found)
        return Response(ExplanationSerializer({**told, "sent": explanations.sent(letter)}).data)

    def get_serializer_class(self) -> type[serializers.BaseSerializer[DeadLetter]]:
        """Return what is told: of one letter more than of each in a list."""
        return OneLetterSerializer if self.action == "retrieve" else super().get_serializer_class()

    def _which(self) -> QuerySet[DeadLetter]:
        given = self.read(WhichLettersSerializer)
        unknown = set(self.request.data) - set(WhichLettersSerializer().fields)
        if unknown:
            # A misspelt filter would retry everything.
            raise ValidationError(dict.fromkeys(sorted(unknown), "There is no such filter."))
        rows = self.within(DeadLetter.objects.all())
        if "environment" in given:
            environment = self.environment_named(given.pop("environment"))
            rows = rows.filter(event__connection__environment=environment)
        if "flow" in given:
            rows = rows.filter(run__flow__public_id=given.pop("flow"))
        return rows.filter(**given)

    def _shown(self, letter: DeadLetter) -> Response:
        return Response(DeadLetterSerializer(self.within(self.queryset.all()).get(pk=letter.pk)).data)
