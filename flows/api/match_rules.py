"""This module is the REST interface of match rules, and of the customers that are known in orgs."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from flows import directories
from flows.models import Directory, MatchPolicy
from flows.recognising import judging, keeping, rules
from integrator.accounts.models import Environment
from integrator.accounts.rest import NUMBER, WITHIN, ScopedViewSet, refusals
from integrator.kernel.redact import redact_text

SLUG = r"[a-z0-9-]{1,50}"


class MatchRulesSerializer(serializers.Serializer[Any]):
    """Where an environment draws its lines, in bits, and what past decisions say about them."""

    environment = serializers.CharField(source="row.environment.slug")
    automatic = serializers.BooleanField(
        source="row.automatic", help_text="Whether a sure likeness is taken without asking a person."
    )
    auto = serializers.FloatField(source="row.auto", help_text="From here on a likeness is sure.")
    margin = serializers.FloatField(source="row.margin", help_text="So far ahead of the next one.")
    review = serializers.FloatField(source="row.review", help_text="From here on a person is asked.")
    learned_from = serializers.IntegerField(source="row.learned_from", help_text="Decisions.")
    learned_at = serializers.DateTimeField(source="row.learned_at", allow_null=True)
    decided = serializers.IntegerField(source="past.decided", help_text="Pairs that people decided.")
    same = serializers.IntegerField(source="past.same", help_text="Of them, one customer.")
    unjudged = serializers.IntegerField(
        source="past.unjudged",
        help_text="Pairs of before it was kept what was found beside them; none of them counts as sure.",
    )
    sure = serializers.IntegerField(
        source="past.sure",
        help_text="Pairs that would be taken without asking by these lines, their margin and vetoes.",
    )
    rightly = serializers.IntegerField(source="past.rightly", help_text="Of the sure ones, one customer.")
    precision = serializers.FloatField(
        source="past.precision", allow_null=True, help_text="The share of the sure ones that was right."
    )
    at_least = serializers.FloatField(
        source="past.at_least",
        allow_null=True,
        help_text="What that share is at least in the long run: the lower end of Wilson's interval of 95 %.",
    )
    are_few = serializers.BooleanField(
        source="past.are_few",
        help_text=f"Whether the sure pairs are fewer than {judging.FEW}, too few to rely on their share.",
    )


class WrongPairSerializer(serializers.Serializer[Any]):
    """A pair that the lines call sure, and of which a person said that it is not one customer."""

    connection = serializers.CharField(help_text="The org in which the record is.")
    object = serializers.CharField(source="pair.object", help_text="The API name.")
    customer = serializers.CharField(source="pair.customer", help_text="The customer's id at Stripe.")
    record = serializers.CharField(source="pair.record", help_text="The record's id in Salesforce.")
    score = serializers.FloatField(source="pair.score", help_text="In bits, by the weights of now.")
    ahead = serializers.FloatField(
        source="pair.ahead", allow_null=True, help_text="So far ahead of the next one; null: it was alone."
    )
    decided_by = serializers.CharField(source="pair.decided_by")
    decided_at = serializers.DateTimeField(source="pair.decided_at")
    question = serializers.CharField(
        source="pair.question", help_text="The question that was answered, as under `reviews/`."
    )


class NewMatchRulesSerializer(serializers.Serializer[Any]):
    """The lines to draw anew; what is left out stays as it is."""

    automatic = serializers.BooleanField(required=False)
    auto = serializers.FloatField(required=False)
    margin = serializers.FloatField(required=False)
    review = serializers.FloatField(required=False)


@extend_schema(tags=["questions"])
@extend_schema_view(
    list=extend_schema(
        summary="List match rules", parameters=[WITHIN], responses={200: MatchRulesSerializer(many=True)}
    ),
    retrieve=extend_schema(
        summary="Show the match rules of an environment",
        responses={200: MatchRulesSerializer, **refusals(404)},
    ),
)
class MatchRulesViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Environment]):
    """Match rules, one set for each environment."""

    queryset = Environment.objects.select_related("workspace").order_by("position")
    serializer_class = MatchRulesSerializer
    environment_at = "pk"
    lookup_field = "slug"
    lookup_url_kwarg = "environment"
    lookup_value_regex = SLUG
    pagination_class = None
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "wrong": "runs.view",
        "partial_update": "match_rules.manage",
        "learn": "match_rules.manage",
    }

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the rules of all environments that the request may reach."""
        told = [_told(rules.row_of(environment)) for environment in self.get_queryset()]
        return Response(MatchRulesSerializer(told, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show the rules of one environment."""
        return self._shown(rules.row_of(self.get_object()))

    @extend_schema(
        summary="Draw the lines anew",
        request=NewMatchRulesSerializer,
        responses={200: MatchRulesSerializer, **refusals(400, 403, 404)},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Draw the lines that the body names."""
        lines = self.read(NewMatchRulesSerializer)
        try:
            return self._shown(rules.draw(environment=self.get_object(), lines=lines, **self.by()))
        except rules.NoSuchLine as refusal:
            raise ValidationError({refusal.field: str(refusal)}) from None

    @extend_schema(
        summary="Learn from decisions now",
        description="Weighs by what people have decided, which otherwise happens once a day. Fewer than 50 "
        "decisions teach nothing.",
        request=None,
        responses={200: MatchRulesSerializer, **refusals(403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def learn(self, request: Request, environment: str) -> Response:
        """Weigh as people's decisions teach."""
        here = self.get_object()
        rules.learn(here, **self.by())
        return self._shown(rules.row_of(here))

    @extend_schema(
        summary="List sure pairs that were wrong",
        description="The pairs that would have been taken without asking by the lines as they are now, and "
        "of which a person said that they are not one customer; the newest first.",
        responses={200: WrongPairSerializer(many=True), **refusals(404)},
    )
    @action(methods=["GET"], detail=True)
    def wrong(self, request: Request, environment: str) -> Response:
        """List the pairs that count as sure and wrong."""
        here = self.get_object()
        pairs = judging.past(here, rules.row_of(here)).wrong
        orgs = dict(here.connections.values_list("pk", "public_id"))
        told = [{"pair": one, "connection": orgs[one.connection_id]} for one in pairs]
        return Response(WrongPairSerializer(told, many=True).data)

    def _shown(self, row: MatchPolicy) -> Response:
        return Response(MatchRulesSerializer(_told(row)).data)


def _told(row: MatchPolicy) -> dict[str, Any]:
    return {"row": row, "past": judging.past(row.environment, row)}


class DirectorySerializer(serializers.ModelSerializer[Directory]):
    """The customers of an org that are known, and how far they have been read."""

    environment = serializers.CharField(source="connection.environment.slug", read_only=True)
    connection = serializers.CharField(source="connection.public_id", read_only=True)
    known = serializers.SerializerMethodField(help_text="Records that are known.")
    keys = serializers.ListField(
        source="keys_wanted",
        child=serializers.CharField(),
        read_only=True,
        help_text="Fields that flows name as external keys.",
    )
    keys_read = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Those of them that have been read of all records; the others are being read.",
    )
    failure = serializers.SerializerMethodField(help_text="Why it cannot be read; empty if it can.")

    class Meta:
        model = Directory
        fields = (
            "id", "environment", "connection", "object", "known", "read", "complete_at", "ended_at",
            "caught_up_at", "failure", "keys", "keys_read",
        )  # fmt: skip
        read_only_fields = fields

    def get_known(self, directory: Directory) -> int:
        """Return how many records are known."""
        return keeping.counted(directory)

    def get_failure(self, directory: Directory) -> str:
        """Return what went wrong, without secrets."""
        return redact_text(directory.failure)


@extend_schema(tags=["questions"])
@extend_schema_view(
    list=extend_schema(
        summary="List known customers",
        description="Of each org and object, whether its records have been read.",
        parameters=[WITHIN],
    ),
    retrieve=extend_schema(summary="Show known customers of an object", responses={200: DirectorySerializer}),
)
class DirectoryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Directory]):
    """What is known of the customers in orgs."""

    queryset = Directory.objects.select_related("connection__environment")
    serializer_class = DirectorySerializer
    environment_at = "connection__environment"
    lookup_url_kwarg = "id"
    lookup_value_regex = NUMBER
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "read_again": "events.catch_up",
    }

    @extend_schema(
        summary="Read customers again",
        request=None,
        responses={200: DirectorySerializer, **refusals(403, 404)},
    )
    @action(methods=["POST"], detail=True, url_path="read-again")
    def read_again(self, request: Request, id: str) -> Response:
        """Have the records read from the beginning; what is known stays known meanwhile."""
        found = self.get_object()
        directories.read_again(found, **self.by())
        found.refresh_from_db()
        return Response(DirectorySerializer(found).data)
