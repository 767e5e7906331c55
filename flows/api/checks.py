"""This module is the REST interface of checks: of a whole flow against the live org, and of expressions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import checking, taken
from flows.api.design import FLOW
from flows.mapping import completing
from flows.mapping.budgets import LONGEST
from flows.mapping.fields import SrcField
from flows.models import Flow, Pair
from integrator.accounts.models import Environment
from integrator.accounts.rest import ScopedViewSet, refusals


class IssueSerializer(serializers.Serializer[Any]):
    """One thing that is wrong with a flow."""

    level = serializers.ChoiceField(choices=["error", "warning"], help_text="An error forbids publishing.")
    code = serializers.CharField(help_text="What kind of mistake it is.")
    step = serializers.CharField(help_text="Id of the step at fault; empty: the flow itself.")
    field = serializers.CharField(help_text="The field or setting at fault.")
    message = serializers.CharField()
    fix = serializers.CharField(help_text="What to do.")
    chips = serializers.ListField(
        child=serializers.DictField(), help_text="Chips that mend the line, if there are some."
    )


class CostSerializer(serializers.Serializer[Any]):
    """What the flow costs a day."""

    events = serializers.FloatField(help_text="Events a day that start it, by those that came last.")
    least = serializers.FloatField(help_text="Salesforce calls a day if all of them are full.")
    most = serializers.FloatField(help_text="Salesforce calls a day if every event comes alone.")
    allowed = serializers.IntegerField(allow_null=True, help_text="Calls a day that the org has.")


class CheckedSerializer(serializers.Serializer[Any]):
    """What was found."""

    environment = serializers.CharField(help_text="Whose systems it was checked against.")
    issues = IssueSerializer(many=True)
    cost = CostSerializer(allow_null=True, help_text="Null for a document that cannot be read.")


class ToCheckSerializer(serializers.Serializer[Any]):
    """The flow document to check, and where."""

    document = serializers.DictField(help_text="The flow document, format 1.")
    environment = serializers.SlugField(
        required=False, help_text="Slug of the environment. Left out: the first in which it is connected."
    )


class ExpressionSerializer(serializers.Serializer[Any]):
    """An expression, and what it may read: the events of a flow, or those of one type."""

    text = serializers.CharField(max_length=LONGEST, allow_blank=True, trim_whitespace=False)
    flow = serializers.CharField(max_length=24, required=False, help_text="Id of the flow.")
    step = serializers.CharField(
        max_length=60,
        required=False,
        default="",
        help_text="Id of a step of its draft, for what is before it.",
    )
    event_type = serializers.CharField(
        max_length=100, required=False, help_text="An event type, instead of a flow."
    )
    environment = serializers.SlugField(required=False, help_text="Slug of the environment.")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Refuse what names both a flow and an event type, or neither."""
        if bool(given.get("flow")) is bool(given.get("event_type")):
            raise ValidationError({"flow": "Name either a flow or an event type."})
        return given


class BegunSerializer(ExpressionSerializer):
    """An expression that is being typed."""

    position = serializers.IntegerField(min_value=0, max_value=LONGEST, help_text="Where the caret stands.")


class FaultSerializer(serializers.Serializer[Any]):
    """What is wrong with an expression, and where."""

    message = serializers.CharField()
    line = serializers.IntegerField()
    column = serializers.IntegerField()


class JudgedSerializer(serializers.Serializer[Any]):
    """What an expression gives, or what is wrong with it."""

    type = serializers.CharField(allow_null=True, help_text="Null: it cannot be evaluated.")
    faults = FaultSerializer(many=True)
    issues = IssueSerializer(many=True, help_text="What is doubtful in it.")


class CompletionSerializer(serializers.Serializer[Any]):
    """How an expression may go on."""

    insert = serializers.CharField(help_text="The text that stands from `start` to `end` then.")
    kind = serializers.ChoiceField(choices=["path", "function"])
    detail = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()


@extend_schema(tags=["flows"])
class CheckViewSet(ScopedViewSet[Flow]):
    """Checks of flows and expressions. They change nothing."""

    queryset = Flow.objects.select_related("integration__workspace")
    serializer_class = CheckedSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "flow"
    permissions: ClassVar[dict[str, str]] = {
        "check": "flows.view",
        "expression": "flows.view",
        "complete": "flows.view",
    }

    def within(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Return the flows of the workspace."""
        return rows.filter(integration__workspace=self.scope.workspace)

    @extend_schema(
        summary="Check a flow document",
        parameters=[FLOW],
        request=ToCheckSerializer,
        responses={200: CheckedSerializer, **refusals(400, 404)},
    )
    def check(self, request: Request, flow: str) -> Response:
        """
        Check a document against Stripe's fields, the live org and the other flows. Nothing is kept.

        An issue of level error forbids to publish the draft. The org is asked only for those who may have it
        read anew.
        """
        found, given = self.get_object(), self.read(ToCheckSerializer)
        pair = self._pair(checking.pairs_of(found, self._environments(given)))
        now = self.by()["now"]
        ask = self.scope.at(pair.environment).can("schemas.refresh")
        document = taken.filled(given["document"], found)
        issues = checking.check(document, pair, now=now, flow=found, ask=ask)
        readable = not any(issue.code == "invalid" for issue in issues)
        costs = checking.cost(document, pair, now=now) if readable else None
        told = {"environment": pair.environment.slug, "issues": issues, "cost": costs}
        return Response(CheckedSerializer(told).data)

    @extend_schema(
        summary="Check an expression",
        request=ExpressionSerializer,
        responses={200: JudgedSerializer, **refusals(400)},
    )
    def expression(self, request: Request) -> Response:
        """Say what an expression gives, or what is wrong with it by line and column."""
        given = self.read(ExpressionSerializer)
        return Response(JudgedSerializer(checking.judge(given["text"], self._readable(given))).data)

    @extend_schema(
        summary="Complete an expression",
        request=BegunSerializer,
        responses={200: CompletionSerializer(many=True), **refusals(400)},
    )
    def complete(self, request: Request) -> Response:
        """List paths and functions by which an expression may go on, the likeliest first."""
        given = self.read(BegunSerializer)
        found = completing.completions(given["text"], given["position"], self._readable(given))
        return Response(CompletionSerializer(found, many=True).data)

    def _readable(self, given: dict[str, Any]) -> list[SrcField]:
        """Return the fields that an expression may read."""
        now = self.by()["now"]
        if given.get("event_type"):
            rows = Pair.objects.filter(integration__workspace=self.scope.workspace)
            pair = self._pair(checking.pairs_in(self._environments(given), rows))
            return checking.readable(pair, [given["event_type"]], now=now)
        flow = self.get_queryset().filter(public_id=given["flow"]).first()
        if flow is None:
            raise ValidationError({"flow": "There is no such flow here."})
        pair = self._pair(checking.pairs_of(flow, self._environments(given)))
        return checking.readable_in(flow, given["step"], pair, now=now)

    def _environments(self, given: dict[str, Any]) -> Iterable[Environment]:
        named = given.get("environment")
        return [self.environment_named(named)] if named else self.scope.environments()

    def _pair(self, found: Sequence[Pair]) -> Pair:
        if not found:
            raise ValidationError({"environment": "Connect Stripe and Salesforce there first."})
        return found[0]
