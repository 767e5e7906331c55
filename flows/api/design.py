"""This module is the REST interface of integrations, their pairs and flows, and of published versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db.models import Max, QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection
from flows import integrations, publishing, taken
from flows.engine.definition import InvalidDocument
from flows.models import Flow, FlowVersion, Integration, Pair
from flows.recipes.catalogue import NoSuchRecipe
from integrator.accounts.rest import PUBLIC_ID, RowFilter, ScopedViewSet, refusals

SLUG = r"[-A-Za-z0-9_]{1,80}"


class PairSerializer(serializers.ModelSerializer[Pair]):
    """An integration in one environment: the two connections bound to the slots."""

    environment = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    stripe = serializers.SlugRelatedField[Any](slug_field="public_id", read_only=True)
    salesforce = serializers.SlugRelatedField[Any](slug_field="public_id", read_only=True)

    class Meta:
        model = Pair
        fields = ("environment", "stripe", "salesforce")
        read_only_fields = fields


class IntegrationSerializer(serializers.ModelSerializer[Integration]):
    """A named pair of slots, with the pairs that fill them."""

    pairs = PairSerializer(many=True, read_only=True)

    class Meta:
        model = Integration
        fields = ("slug", "name", "created_at", "pairs")
        read_only_fields = fields


class NewIntegrationSerializer(serializers.Serializer[Any]):
    """What an integration is called."""

    name = serializers.CharField(max_length=100)
    slug = serializers.SlugField(max_length=50, required=False, help_text="Left out: made from the name.")


class NewPairSerializer(serializers.Serializer[Any]):
    """Which connections fill the slots in which environment."""

    environment = serializers.SlugField(help_text="Slug of the environment.")
    stripe = serializers.CharField(max_length=24, help_text="Id of a Stripe connection there.")
    salesforce = serializers.CharField(max_length=24, help_text="Id of a Salesforce connection there.")


class FlowSerializer(serializers.ModelSerializer[Flow]):
    """What should happen when a trigger fires; its versions hold the steps."""

    id = serializers.CharField(source="public_id", read_only=True)
    integration = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    latest_version = serializers.IntegerField(read_only=True, allow_null=True)

    class Meta:
        model = Flow
        fields = ("id", "name", "slug", "integration", "latest_version", "created_at")
        read_only_fields = fields


class TakerSerializer(serializers.Serializer[Any]):
    """A flow that takes the steps of a sub-flow."""

    flow = serializers.CharField(source="flow.public_id", help_text="Id of the flow.")
    name = serializers.CharField(source="flow.name", help_text="What people call it.")
    where = serializers.CharField(help_text="The draft, or which version of the flow.")
    version = serializers.IntegerField(help_text="The version of the sub-flow that it takes.")
    is_live = serializers.BooleanField(help_text="Whether that is live in any environment.")


class NewFlowSerializer(serializers.Serializer[Any]):
    """A flow document, and where it belongs."""

    integration = serializers.SlugField(help_text="Slug of the integration.")
    slug = serializers.SlugField(max_length=80, required=False, help_text="Left out: made from the name.")
    document = serializers.DictField(help_text="The flow document, format 1.")
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


class RecipeSerializer(serializers.Serializer[Any]):
    """Which ready-made flow to install into which integration."""

    recipe = serializers.SlugField(max_length=80, help_text="Slug of the recipe.")
    integration = serializers.SlugField(help_text="Slug of the integration.")


class VersionSerializer(serializers.ModelSerializer[FlowVersion]):
    """An immutable snapshot of a flow under its content hash."""

    flow = serializers.SlugRelatedField[Any](slug_field="public_id", read_only=True)
    document = serializers.DictField(read_only=True)

    class Meta:
        model = FlowVersion
        fields = ("flow", "number", "content_hash", "note", "published_at", "published_by", "document")
        read_only_fields = fields


class NewVersionSerializer(serializers.Serializer[Any]):
    """The flow document to freeze."""

    document = serializers.DictField(help_text="The flow document, format 1.")
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


@contextmanager
def problems_of_documents() -> Iterator[None]:
    """
    Turn what is wrong with a flow document into errors of its fields.

    :raises ValidationError: if the document cannot be run
    """
    try:
        yield
    except InvalidDocument as failure:
        errors: dict[str, list[str]] = {}
        for found in failure.problems:
            place = ".".join(part for part in ("document", found.step, found.field) if part)
            errors.setdefault(place, []).append(found.message)
        raise ValidationError(errors) from None


@extend_schema(tags=["flows"])
@extend_schema_view(
    list=extend_schema(summary="List integrations"),
    retrieve=extend_schema(
        summary="Show an integration", responses={200: IntegrationSerializer, **refusals(404)}
    ),
)
class IntegrationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Integration]):
    """Integrations and their pairs."""

    queryset = Integration.objects.prefetch_related(
        "pairs__environment", "pairs__stripe", "pairs__salesforce"
    )
    serializer_class = IntegrationSerializer
    lookup_field = "slug"
    lookup_value_regex = SLUG
    conflicts = (integrations.Taken,)
    permissions: ClassVar[dict[str, str]] = {
        "list": "flows.view",
        "retrieve": "flows.view",
        "create": "flows.edit",
        "bind": "connections.manage",
    }

    def within(self, rows: QuerySet[Integration]) -> QuerySet[Integration]:
        """Return the integrations of the workspace; they belong to no one environment."""
        return rows.filter(workspace=self.scope.workspace)

    @extend_schema(
        summary="Create an integration",
        request=NewIntegrationSerializer,
        responses={201: IntegrationSerializer, **refusals(400, 409)},
    )
    def create(self, request: Request) -> Response:
        """Make a named pair of slots, Stripe and Salesforce; pairs fill them for each environment."""
        given = self.read(NewIntegrationSerializer)
        try:
            made = integrations.create(workspace=self.scope.workspace, **given, **self.by())
        except ValueError as refusal:
            raise ValidationError({"name": str(refusal)}) from None
        return Response(IntegrationSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Fill the slots in an environment",
        request=NewPairSerializer,
        responses={201: PairSerializer, **refusals(400, 404, 409)},
    )
    @action(methods=["POST"], detail=True, url_path="pairs")
    def bind(self, request: Request, slug: str) -> Response:
        """Make a pair: bind two connections of one environment to the slots."""
        given = self.read(NewPairSerializer)
        environment = self.environment_named(given["environment"])
        try:
            pair = integrations.bind(
                integration=self.get_object(),
                environment=environment,
                stripe=self._connection(given, "stripe"),
                salesforce=self._connection(given, "salesforce"),
                **self.by(),
            )
        except integrations.WrongSlot as refusal:
            raise ValidationError(str(refusal)) from None
        return Response(PairSerializer(pair).data, status=status.HTTP_201_CREATED)

    def _connection(self, given: dict[str, Any], slot: str) -> Connection:
        rows = Connection.objects.filter(environment__in=self.scope.environments())
        found = rows.filter(public_id=given[slot]).first()
        if found is None:
            raise ValidationError({slot: "There is no such connection here."})
        return found


class FlowFilter(RowFilter):
    """Flows of an integration."""

    integration = filters.CharFilter(field_name="integration__slug", help_text="Slug of the integration.")

    class Meta:
        model = Flow
        fields = ("integration",)


@extend_schema(tags=["flows"])
@extend_schema_view(
    list=extend_schema(summary="List flows"),
    retrieve=extend_schema(summary="Show a flow", responses={200: FlowSerializer, **refusals(404)}),
)
class FlowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Flow]):
    """Flows."""

    queryset = Flow.objects.select_related("integration").annotate(latest_version=Max("versions__number"))
    serializer_class = FlowSerializer
    filterset_class = FlowFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (integrations.Taken,)
    permissions: ClassVar[dict[str, str]] = {
        "list": "flows.view",
        "retrieve": "flows.view",
        "create": "flows.edit",
        "install": "flows.edit",
        "takers": "flows.view",
    }

    def within(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Return the flows of the workspace; deployments place them in environments."""
        return rows.filter(integration__workspace=self.scope.workspace)

    @extend_schema(
        summary="Create a flow",
        request=NewFlowSerializer,
        responses={201: VersionSerializer, **refusals(400, 409)},
    )
    def create(self, request: Request) -> Response:
        """Check the document, make a flow of it and publish version 1. Nothing runs until it is deployed."""
        given = self.read(NewFlowSerializer)
        given["integration"] = self._integration(given["integration"])
        try:
            with problems_of_documents():
                made = integrations.add_flow(**given, **self.by())
        except ValueError as refusal:
            raise ValidationError({"slug": str(refusal)}) from None
        return Response(VersionSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Install a recipe",
        request=RecipeSerializer,
        responses={201: VersionSerializer, **refusals(400)},
    )
    @action(methods=["POST"], detail=False)
    def install(self, request: Request) -> Response:
        """Publish a ready-made flow. Installing it again changes nothing."""
        given = self.read(RecipeSerializer)
        integration = self._integration(given["integration"])
        try:
            made = publishing.install_recipe(slug=given["recipe"], integration=integration, **self.by())
        except NoSuchRecipe:
            raise ValidationError({"recipe": "There is no such recipe."}) from None
        return Response(VersionSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="List the flows that take a sub-flow",
        filters=False,
        responses={200: TakerSerializer(many=True), **refusals(404)},
    )
    @action(methods=["GET"], detail=True, pagination_class=None)
    def takers(self, request: Request, id: str) -> Response:
        """List the flows that take the steps of this one, and which version of it."""
        return Response(TakerSerializer(taken.takers(self.get_object()), many=True).data)

    def _integration(self, slug: str) -> Integration:
        found = Integration.objects.filter(workspace=self.scope.workspace, slug=slug).first()
        if found is None:
            raise ValidationError({"integration": "There is no such integration here."})
        return found


FLOW = OpenApiParameter("flow", str, OpenApiParameter.PATH, description="Id of the flow.")


@extend_schema(tags=["flows"], parameters=[FLOW])
@extend_schema_view(
    list=extend_schema(summary="List the versions of a flow"),
    retrieve=extend_schema(summary="Show a version", responses={200: VersionSerializer, **refusals(404)}),
)
class VersionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[FlowVersion]):
    """Published versions of a flow."""

    queryset = FlowVersion.objects.select_related("flow")
    serializer_class = VersionSerializer
    lookup_field = "number"
    lookup_value_regex = r"[0-9]{1,9}"
    permissions: ClassVar[dict[str, str]] = {
        "list": "flows.view",
        "retrieve": "flows.view",
        "create": "flows.edit",
    }

    def within(self, rows: QuerySet[FlowVersion]) -> QuerySet[FlowVersion]:
        """Return the versions of the flow that the address names."""
        return rows.filter(flow=self._flow())

    @extend_schema(
        summary="Publish a version",
        request=NewVersionSerializer,
        responses={201: VersionSerializer, **refusals(400, 404)},
    )
    def create(self, request: Request, flow: str) -> Response:
        """Freeze a document as the next version; one that is known already answers with its version."""
        found = self._flow()
        given = self.read(NewVersionSerializer)
        with problems_of_documents():
            made = publishing.publish(flow=found, **given, **self.by())
        return Response(VersionSerializer(made).data, status=status.HTTP_201_CREATED)

    def _flow(self) -> Flow:
        rows = Flow.objects.filter(integration__workspace=self.scope.workspace)
        return get_object_or_404(rows, public_id=self.kwargs["flow"])
