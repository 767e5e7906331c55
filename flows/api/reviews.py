"""This module is the REST interface of questions: look, answer, discard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import evidence, overwriting, reviews
from flows.engine import approving
from flows.models import Review
from flows.models.runs import IllegalTransition
from integrator import vault
from integrator.accounts.access import Scope
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.redact import redact, redact_text


class OptionSerializer(serializers.Serializer[Any]):
    """One answer that a question has."""

    value = serializers.CharField(help_text="What to answer with.")
    label = serializers.CharField(  # type: ignore[assignment]  # a field of that name, as DRF makes them
        help_text="What a person reads."
    )
    description = serializers.CharField()


class QuestionSerializer(serializers.ModelSerializer[Review]):
    """What a run asks, and what became of it."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="pair.environment.slug", read_only=True)
    run = serializers.CharField(source="run.public_id", read_only=True)
    flow = serializers.CharField(source="run.flow.public_id", read_only=True)
    external_id = serializers.CharField(source="run.event.external_id", read_only=True)
    object_id = serializers.CharField(source="run.event.object_id", read_only=True)
    question = serializers.SerializerMethodField()
    asked_of = serializers.SerializerMethodField(help_text="Of an approval: who may decide, in words.")
    options = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields = (
            "id", "environment", "run", "flow", "external_id", "object_id", "step", "kind", "question",
            "options", "created_at", "closed_at", "resolution", "answer", "closed_by", "comment", "asked_of",
            "remind_at", "expires_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_question(self, review: Review) -> str:
        """Return the question, without secrets."""
        return redact_text(review.question)

    def get_asked_of(self, review: Review) -> str:
        """Return whom an approval is asked of; empty for other questions."""
        terms = reviews.terms_of(review)
        return "" if terms is None else approving.asked_of(terms)

    @extend_schema_field(OptionSerializer(many=True))
    def get_options(self, review: Review) -> Any:
        """Return what may be answered; records by their ids alone without the permission to see payloads."""
        choices = evidence.choices_of(review, values=_may_read(self, review))
        return OptionSerializer(choices, many=True).data


class QuestionDetailSerializer(QuestionSerializer):
    """A question with what helps to answer it."""

    evidence = serializers.SerializerMethodField(
        help_text="What helps to answer, without secrets; null without the permission to see payloads."
    )

    class Meta:
        model = Review
        fields = (*QuestionSerializer.Meta.fields, "evidence")
        read_only_fields = fields

    def get_evidence(self, review: Review) -> dict[str, Any] | None:
        """Return the opened evidence, for those who may see payloads."""
        if not _may_read(self, review):
            return None
        try:
            masked: dict[str, Any] = redact(reviews.evidence_of(review))
        except vault.Unreadable:
            return None
        return masked


def _may_read(serializer: serializers.BaseSerializer[Any], review: Review) -> bool:
    scope: Scope = serializer.context["view"].scope
    return scope.can("runs.payload") or reviews.is_asked(review, _who(scope, review))


def _who(scope: Scope, review: Review) -> reviews.Who:
    roles = scope.at(review.pair.environment).roles
    return reviews.Who(scope.actor, roles, is_person=scope.is_person)


class FieldAnswerSerializer(serializers.Serializer[Any]):
    """What is right for one field of a conflict."""

    take = serializers.ChoiceField(choices=["stripe", "salesforce", "value"])
    value = serializers.CharField(
        required=False, allow_blank=True, default="", help_text="With `value`: what both sides get."
    )


class AnswerSerializer(serializers.Serializer[Any]):
    """The answer: one of the options; of a conflict also `each`, with every field; of an approval why."""

    answer = serializers.CharField(max_length=255)
    comment = serializers.CharField(
        max_length=2_000, required=False, default="", allow_blank=True, help_text="Of an approval: why."
    )
    fields = serializers.DictField(  # type: ignore[assignment]  # a field of that name, as DRF makes them
        child=FieldAnswerSerializer(),
        required=False,
        help_text="Of a conflict: what is right for single fields, by their names in the evidence.",
    )


def _choices(given: Mapping[str, Any]) -> dict[str, reviews.Choice]:
    fields = given.get("fields") or {}
    return {name: reviews.Choice(one["take"], one["value"]) for name, one in fields.items()}


class WouldChangeSerializer(serializers.Serializer[Any]):
    """A field that would be another than it is."""

    field = serializers.CharField()
    now = serializers.JSONField(source="is_", help_text="What stands there; null also where it is not known.")
    would = serializers.JSONField(help_text="What would stand there.")
    state = serializers.ChoiceField(choices=["new", "changed", "unknown"])


class WrittenSerializer(serializers.Serializer[Any]):
    """A record that would be saved."""

    object = serializers.CharField(source="compared.record.object")
    key = serializers.CharField(source="compared.record.key", help_text="Its id, or its external id.")
    exists = serializers.BooleanField(source="compared.exists")
    is_chosen = serializers.BooleanField(help_text="It is the record that the answer names.")
    changes = WouldChangeSerializer(source="rows", many=True)


class ForetoldSerializer(serializers.Serializer[Any]):
    """What would be written if a record is the answer."""

    answer = serializers.CharField(source="id")
    records = WrittenSerializer(many=True)
    ending = serializers.CharField(help_text="How the run would end, as trials say it.")
    reason = serializers.CharField(help_text="Where it would not get to an end.")


class ReasonSerializer(serializers.Serializer[Any]):
    """Why the run is not to go on."""

    reason = serializers.CharField(max_length=400)


class QuestionFilter(RowFilter):
    """Questions by kind, and by whether they still wait."""

    open = filters.BooleanFilter(
        field_name="closed_at",
        lookup_expr="isnull",
        help_text="true: only what waits for a person; false: only what was dealt with.",
    )
    kind = filters.ChoiceFilter(choices=Review.Kind.choices)
    run = filters.CharFilter(field_name="run__public_id", help_text="Id of the run that asks.")
    flow = filters.CharFilter(field_name="run__flow__public_id", help_text="Id of the flow.")
    external_id = filters.CharFilter(field_name="run__event__external_id", help_text="The event's own id.")
    object_id = filters.CharFilter(field_name="run__event__object_id", help_text="Such as pi_....")

    class Meta:
        model = Review
        fields = ()


@extend_schema(tags=["questions"])
@extend_schema_view(
    list=extend_schema(
        summary="List questions",
        description="What only a person can answer, newest first. Each run waits for its answer.",
        parameters=[WITHIN],
        responses={200: QuestionSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a question",
        description="With what helps to answer it, for roles that may see payloads.",
        responses={200: QuestionDetailSerializer, **refusals(404)},
    ),
)
class QuestionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Review]):
    """Questions for people."""

    queryset = Review.objects.select_related("pair__environment", "run__flow", "run__event").defer(
        "run__event__body"
    )
    filterset_class = QuestionFilter
    environment_at = "pair__environment"
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (reviews.AlreadyHandled, IllegalTransition, overwriting.NotTold)
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "answer": "reviews.answer",
        "decide": "approvals.decide",
        "discard": "reviews.answer",
        "foretell": "runs.payload",
    }

    def get_serializer_class(self) -> type[QuestionSerializer]:
        """Return the form with or without the evidence."""
        return QuestionSerializer if self.action == "list" else QuestionDetailSerializer

    @extend_schema(
        summary="Answer a question",
        request=AnswerSerializer,
        responses={200: QuestionDetailSerializer, **refusals(400, 403, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def answer(self, request: Request, id: str) -> Response:
        """Let the run go on with one of the answers that the question has."""
        return self._answered(self.get_object())

    @extend_schema(
        summary="Decide about an approval",
        description="Approve or decline. Whom it is asked of says the approval itself; who caused it may not "
        "approve it.",
        request=AnswerSerializer,
        responses={200: QuestionDetailSerializer, **refusals(400, 403, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def decide(self, request: Request, id: str) -> Response:
        """Take what somebody decided about an approval."""
        return self._answered(get_object_or_404(self.get_queryset(), public_id=id, terms__isnull=False))

    def _answered(self, review: Review) -> Response:
        given, who = self.read(AnswerSerializer), _who(self.scope, review)
        try:
            answered = reviews.answer(
                review=review,
                value=given["answer"],
                fields=_choices(given),
                comment=given["comment"],
                who=who,
                **self.by(),
            )
        except reviews.NotYours as refusal:
            raise PermissionDenied(str(refusal)) from None
        except reviews.Unexplained as refusal:
            raise ValidationError({"comment": str(refusal)}) from None
        except reviews.NotAnOption as refusal:
            raise ValidationError({"answer": str(refusal)}) from None
        return self._shown(answered)

    @extend_schema(
        summary="Discard a question",
        request=ReasonSerializer,
        responses={200: QuestionDetailSerializer, **refusals(400, 404, 409)},
    )
    @action(methods=["POST"], detail=True)
    def discard(self, request: Request, id: str) -> Response:
        """End the run without doing what it was for, and say why."""
        given = self.read(ReasonSerializer)
        return self._shown(reviews.discard(review=self.get_object(), reason=given["reason"], **self.by()))

    @extend_schema(
        summary="Foretell what answers would write",
        description="Tries the run with each record that may be answered, and says which fields would be "
        "others than they are now. Both systems are read at that moment; nothing is written.",
        request=None,
        responses={200: ForetoldSerializer(many=True), **refusals(403, 404, 409)},
    )
    @action(methods=["POST"], detail=True, pagination_class=None, filterset_class=None)
    def foretell(self, request: Request, id: str) -> Response:
        """Say what would be written over in each record."""
        review = self.get_object()
        if not overwriting.is_asked_about_records(review):
            raise overwriting.NotTold("This is no open question about records.")
        return Response(ForetoldSerializer(overwriting.foretell(review=review, **self.by()), many=True).data)

    def _shown(self, review: Review) -> Response:
        found = self.within(self.queryset.all()).get(pk=review.pk)
        return Response(QuestionDetailSerializer(found, context=self.get_serializer_context()).data)
