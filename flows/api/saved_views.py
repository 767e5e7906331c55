"""This module is the REST interface of saved views."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from flows import saved_views
from flows.models import SavedView
from flows.saved_views import Who
from integrator.accounts.rest import PUBLIC_ID, RowFilter, ScopedViewSet, refusals


class SavedViewSerializer(serializers.ModelSerializer[SavedView]):
    """What a list was narrowed to, under a name."""

    id = serializers.CharField(source="public_id", read_only=True)
    filters = serializers.DictField(source="query", child=serializers.CharField(), read_only=True)

    class Meta:
        model = SavedView
        fields = ("id", "list", "name", "filters", "shared", "made_by", "changed_at")
        read_only_fields = fields


class NewViewSerializer(serializers.Serializer[Any]):
    """A view to be kept."""

    list = serializers.ChoiceField(choices=SavedView.List.choices)
    name = serializers.CharField(max_length=60)
    filters = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=255),
        help_text="As the address of the list on the screen has them: fate, q, flow, version, type, "
        "connection, currency, period, since, until.",
    )
    shared = serializers.BooleanField(
        default=False,
        help_text="Whether everybody in the workspace sees it. A program has to share its views.",
    )


class ChangedViewSerializer(serializers.Serializer[Any]):
    """What is to be different about a view; what is left out stays as it is."""

    name = serializers.CharField(max_length=60, required=False)
    filters = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=255), required=False
    )
    shared = serializers.BooleanField(required=False)


class SavedViewFilter(RowFilter):
    """Views by the list that they are of."""

    list = filters.ChoiceFilter(choices=SavedView.List.choices)

    class Meta:
        model = SavedView
        fields = ()


@extend_schema(tags=["saved views"])
@extend_schema_view(
    list=extend_schema(
        summary="List saved views",
        description="Those that are shared, and a person's own, newest first.",
        responses={200: SavedViewSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a saved view", responses={200: SavedViewSerializer, **refusals(404)}
    ),
)
class SavedViewViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[SavedView]):
    """Saved views."""

    queryset = SavedView.objects.all()
    serializer_class = SavedViewSerializer
    filterset_class = SavedViewFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "create": "views.save",
        "partial_update": "views.save",
        "destroy": "views.save",
    }

    def within(self, rows: QuerySet[SavedView]) -> QuerySet[SavedView]:
        """Return the views of the workspace that the caller may open."""
        who = Who.of(self.scope)
        mine = SavedView.objects.seen_by(who.person).filter(workspace=self.scope.workspace)
        return rows.filter(pk__in=mine.values("pk"))

    @extend_schema(
        summary="Save a view",
        request=NewViewSerializer,
        responses={201: SavedViewSerializer, **refusals(400)},
    )
    def create(self, request: Request) -> Response:
        """Keep what a list is narrowed to under a name."""
        given = self.read(NewViewSerializer)
        view = saved_views.save(
            who=Who.of(self.scope), list_=given["list"], name=given["name"], query=given["filters"],
            shared=given["shared"], now=timezone.now(),
        )  # fmt: skip
        return Response(SavedViewSerializer(view).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a saved view",
        request=ChangedViewSerializer,
        responses={200: SavedViewSerializer, **refusals(400, 403, 404)},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Give it another name or other filters, or share it or not."""
        given = self.read(ChangedViewSerializer)
        view = saved_views.change(
            who=Who.of(self.scope), view=self.get_object(), now=timezone.now(), name=given.get("name"),
            query=given.get("filters"), shared=given.get("shared"),
        )  # fmt: skip
        return Response(SavedViewSerializer(view).data)

    @extend_schema(summary="Delete a saved view", responses={204: None, **refusals(403, 404)})
    def destroy(self, request: Request, id: str) -> Response:
        """Forget it."""
        saved_views.delete(who=Who.of(self.scope), view=self.get_object(), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def handle_exception(self, exc: Exception) -> Any:
        """Answer 403 to whoever would change the view of somebody else."""
        if isinstance(exc, saved_views.NotYours):
            exc = PermissionDenied(str(exc))
        return super().handle_exception(exc)
