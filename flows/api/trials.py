"""This module is the REST interface of trials, test cases and comparisons with the live version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import msgspec
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows.api.design import FLOW, problems_of_documents
from flows.models import Flow, TestCase
from flows.trials import cases, desk, shadows
from flows.trials.running import Ready, Untriable, ready
from flows.trials.tape import TooMuch
from flows.trials.unusable import Unusable
from integrator.accounts.rest import PUBLIC_ID, WITHIN, ScopedViewSet, refusals
from integrator.kernel.redact import redact


class SourceSerializer(serializers.Serializer[Any]):
    """Which document of the flow is meant; without any it is the newest version."""

    version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    draft = serializers.BooleanField(required=False, default=False)
    document = serializers.DictField(required=False, help_text="A flow document that is kept nowhere.")


class TrySerializer(SourceSerializer):
    """What is tried on which event."""

    event = serializers.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, help_text="Id of an event of the environment."
    )
    sample = serializers.CharField(
        required=False, max_length=100, help_text="Such as payments.charge_succeeded."
    )
    record = serializers.CharField(
        required=False,
        max_length=255,
        help_text="A record by its id or name, for a flow that starts with changes of records: it is read "
        "from the org. With an `event` that names several, the id of the one that is meant.",
    )
    body = serializers.DictField(
        required=False,
        help_text="A whole event, as Stripe sends it, or a platform event as Salesforce shows it.",
    )
    live_reads = serializers.BooleanField(
        required=False, default=False, help_text="Read what is not recorded from the connected systems."
    )
    answers = serializers.DictField(
        child=serializers.CharField(max_length=255), required=False, help_text="What people say, by step."
    )
    to = serializers.CharField(
        required=False,
        max_length=60,
        help_text="Id of the step behind which it stops; what is not finished behind it does no harm.",
    )


class SaveSerializer(TrySerializer):
    """What is tried, and what the test case is called."""

    name = serializers.CharField(max_length=100)
    to = None  # type: ignore[assignment]  # a test case is of the whole flow


class RunCasesSerializer(SourceSerializer):
    """Which test cases are run against which document."""

    cases = serializers.ListField(
        child=serializers.CharField(max_length=24),
        required=False,
        max_length=cases.MOST,
        help_text="Ids of test cases. Left out: all of them.",
    )


class ShadowSerializer(SourceSerializer):
    """What is compared with the live version, and on how many events."""

    events = serializers.IntegerField(required=False, default=50, min_value=1, max_value=shadows.MOST)
    next = serializers.CharField(
        required=False, max_length=1_000_000, help_text="From the answer before, to go on with the rest."
    )


class TestCaseSerializer(serializers.ModelSerializer[TestCase]):
    """A saved trial: an event, and what was to come of it."""

    __test__: ClassVar[bool] = False
    id = serializers.CharField(source="public_id", read_only=True)

    class Meta:
        model = TestCase
        fields = ("id", "name", "event_type", "at", "saved_at", "saved_by")
        read_only_fields = fields


@contextmanager
def refused_in_words() -> Iterator[None]:
    """
    Turn what is wrong with a document or an event into errors of fields.

    :raises ValidationError: if it cannot be tried
    """
    try:
        with problems_of_documents():
            yield
    except desk.NoSuchStep as refusal:
        raise ValidationError({"to": str(refusal)}) from None
    except desk.NoSuch as refusal:
        raise ValidationError({"version": str(refusal)}) from None
    except Untriable as refusal:
        raise ValidationError({"document": str(refusal)}) from None
    except Unusable as refusal:
        raise ValidationError({"event": str(refusal)}) from None


class _OfAFlow(ScopedViewSet[TestCase]):
    """Views below one flow of the workspace."""

    queryset = TestCase.objects.all()
    conflicts = (cases.TooMany, shadows.NothingLive, TooMuch)

    def within(self, rows: QuerySet[TestCase]) -> QuerySet[TestCase]:
        """Return the test cases of the flow that the address names, whose events the request may reach."""
        shown = TestCase.objects.shown_in(self.scope.environments())
        return rows.filter(flow=self._flow(), pk__in=shown.values("pk"))

    def _flow(self) -> Flow:
        rows = Flow.objects.filter(integration__workspace=self.scope.workspace).select_related(
            "integration__workspace"
        )
        return get_object_or_404(rows, public_id=self.kwargs["flow"])

    def _source(self, given: Mapping[str, Any]) -> desk.Source:
        """
        Return which document is meant.

        :raises PermissionDenied: for a document that is handed in, which is a way to ask the systems anything
        """
        if "document" in given and not self.scope.can("flows.edit"):
            raise PermissionDenied("To try a document of your own takes the right to change flows.")
        return desk.Source(given.get("version"), given["draft"], given.get("document"))

    def _wish(self, given: Mapping[str, Any]) -> desk.Wish:
        return desk.Wish(
            source=self._source(given),
            event=given.get("event"),
            sample=given.get("sample", ""),
            record=given.get("record", ""),
            body=given.get("body"),
            live=given["live_reads"],
            answers=given.get("answers", {}),
            to=given.get("to", ""),
        )

    def _ready(self, flow: Flow, given: Mapping[str, Any]) -> Ready:
        with refused_in_words():
            return ready(desk.document_of(flow, self._source(given)))


@extend_schema(tags=["flows"], parameters=[FLOW, WITHIN])
class TrialViewSet(_OfAFlow):
    """Trials of a flow."""

    permissions: ClassVar[dict[str, str]] = {"try_out": "runs.payload", "shadow": "runs.payload"}

    @extend_schema(
        summary="Try a flow out",
        request=TrySerializer,
        responses={200: OpenApiTypes.OBJECT, **refusals(400, 404)},
    )
    def try_out(self, request: Request, flow: str) -> Response:
        """
        Run it on a recorded, sample or pasted event. Nothing is written to any system.

        `environment` says whose events, links and connections are meant.
        """
        found, given = self._flow(), self.read(TrySerializer)
        with refused_in_words():
            served = desk.serve(
                flow=found, wish=self._wish(given), environment=self.scope.environment, **self.by()
            )
        told = msgspec.to_builtins(served.tried.trial, enc_hook=str)
        compared = msgspec.to_builtins(served.compared, enc_hook=str)
        return Response(redact({"event": served.occasion.name, **told, "compared": compared}))

    @extend_schema(
        summary="Compare with the live version",
        request=ShadowSerializer,
        responses={200: OpenApiTypes.OBJECT, **refusals(400, 404, 409)},
    )
    def shadow(self, request: Request, flow: str) -> Response:
        """
        Run it beside the live version of `environment` on its newest events, and group what differs.

        One call works for a few seconds. While `left` is not 0, `next` goes on.
        """
        found, given = self._flow(), self.read(ShadowSerializer)
        pair = desk.pair_of(found, self.scope.environment)
        if pair is None:
            raise ValidationError({"environment": "Name an environment in which the flow is connected."})
        document = self._ready(found, given)
        live = ready(shadows.live_version(flow=found, pair=pair).document)
        owner = f"{found.public_id}:{pair.pk}:{self.scope.actor}"
        try:
            state = (
                shadows.of_token(given["next"], owner=owner)
                if given.get("next")
                else shadows.begin(pair=pair, flow=document, events=given["events"])
            )
        except ValueError as refusal:
            raise ValidationError({"next": str(refusal)}) from None
        state = shadows.go_on(state, flow=document, live=live, pair=pair)
        following = shadows.as_token(state, owner=owner) if state.left else None
        return Response(redact({**shadows.as_data(state), "next": following}))


@extend_schema(tags=["flows"], parameters=[FLOW])
@extend_schema_view(list=extend_schema(summary="List the test cases of a flow"))
class TestCaseViewSet(mixins.ListModelMixin, _OfAFlow):
    """Test cases of a flow. They are kept until somebody deletes them."""

    __test__: ClassVar[bool] = False
    serializer_class = TestCaseSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {
        "list": "flows.view",
        "create": "flows.edit",
        "destroy": "flows.edit",
        "run": "runs.payload",
    }

    @extend_schema(
        summary="Save a test case",
        parameters=[WITHIN],
        request=SaveSerializer,
        responses={201: TestCaseSerializer, **refusals(400, 404, 409)},
    )
    def create(self, request: Request, flow: str) -> Response:
        """Try the flow out and keep the event with what came of it, in place of a test case of that name."""
        found, given = self._flow(), self.read(SaveSerializer)
        with refused_in_words():
            made = desk.save(
                flow=found,
                wish=self._wish(given),
                name=given["name"],
                environment=self.scope.environment,
                **self.by(),
            )
        return Response(TestCaseSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(summary="Delete a test case", responses={204: None, **refusals(404)})
    def destroy(self, request: Request, flow: str, id: str) -> Response:
        """Delete a test case with the event in it."""
        cases.delete(case=self.get_object(), **self.by())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Run test cases",
        request=RunCasesSerializer,
        responses={200: OpenApiTypes.OBJECT, **refusals(400, 404)},
    )
    @action(methods=["POST"], detail=False)
    def run(self, request: Request, flow: str) -> Response:
        """Run test cases against a version, the draft or a document, and name every difference."""
        found, given = self._flow(), self.read(RunCasesSerializer)
        rows = self.get_queryset().select_related("flow__integration__workspace")
        if "cases" in given:
            rows = rows.filter(public_id__in=given["cases"])
        ran = cases.run_all(cases=list(rows.order_by("name")), flow=self._ready(found, given))
        told = [
            {
                "id": one.case.public_id,
                "name": one.case.name,
                "passed": one.passed,
                "trouble": one.trouble,
                "differences": msgspec.to_builtins(one.differences, enc_hook=str),
            }
            for one in ran
        ]
        return Response(redact({"passed": all(one.passed for one in ran), "results": told}))
