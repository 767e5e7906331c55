"""This module is the REST interface of links: which records belong together, and how each pair stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError

from flows import standing
from flows.api.stretches import check_moment
from flows.models import Link
from integrator.accounts.access import Scope
from integrator.accounts.rest import NUMBER, WITHIN, RowFilter, ScopedViewSet, refusals


class LinkSerializer(serializers.ModelSerializer[Link]):
    """This Stripe object is that Salesforce record."""

    environment = serializers.CharField(source="pair.environment.slug", read_only=True)
    integration = serializers.CharField(source="pair.integration.slug", read_only=True)

    class Meta:
        model = Link
        fields = (
            "id", "environment", "integration", "stripe_id", "salesforce_object", "record_id", "external_id",
            "state", "state_since", "merged_from", "sharing", "first_synced_at", "synced_at",
        )  # fmt: skip
        read_only_fields = fields


class LinkFieldSerializer(serializers.Serializer[Any]):
    """One field: what stands on both sides as far as they agreed, and what happens where both change it."""

    name = serializers.CharField()
    stripe = serializers.DictField(child=serializers.JSONField(), help_text="Values by their paths.")
    salesforce = serializers.JSONField(allow_null=True)
    rule = serializers.CharField()
    asked = serializers.BooleanField(help_text="A person was asked about it.")
    owed = serializers.BooleanField(help_text="It is decided, and not yet written on the other side.")


class LinkLineSerializer(serializers.Serializer[Any]):
    """What was set when, on which side, by which flow and run, and who made the change."""

    at = serializers.DateTimeField(source="change.at")
    how = serializers.CharField(source="change.how")
    side = serializers.CharField(source="change.side")
    flow = serializers.CharField(source="change.flow.public_id", default=None, allow_null=True)
    run = serializers.CharField(source="change.run")
    who = serializers.CharField(source="change.who")
    values = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.ListField(child=serializers.JSONField())))
    def get_values(self, line: standing.Line) -> dict[str, list[Any]]:
        """Return the value before and after, by field."""
        return {path: [before.value, after.value] for path, before, after in line.values}


class LinkDetailSerializer(LinkSerializer):
    """A link with its fields and its history."""

    fields_agreed = serializers.SerializerMethodField(
        help_text="Without secrets; null without the permission to see payloads, or if unreadable."
    )
    history = serializers.SerializerMethodField(help_text="Newest first; values as above.")

    class Meta:
        model = Link
        fields = (*LinkSerializer.Meta.fields, "fields_agreed", "history")
        read_only_fields = fields

    @extend_schema_field(LinkFieldSerializer(many=True, allow_null=True))
    def get_fields_agreed(self, link: Link) -> Any:
        """Return the fields on which both sides agreed, for those who may see payloads."""
        if not _may_read(self):
            return None
        stands = standing.of(link)
        if stands.unreadable:
            return None
        return [
            {
                "name": one.name,
                "stripe": {value.path: value.value for value in one.stripe},
                "salesforce": one.salesforce.value if one.salesforce else None,
                "rule": one.rule,
                "asked": one.asked,
                "owed": one.owed,
            }
            for one in stands.fields
        ]

    @extend_schema_field(LinkLineSerializer(many=True))
    def get_history(self, link: Link) -> Any:
        """Return what set each field."""
        lines = standing.history(link, values=_may_read(self))
        return LinkLineSerializer(lines, many=True).data


def _may_read(serializer: serializers.BaseSerializer[Any]) -> bool:
    scope: Scope = serializer.context["view"].scope
    return scope.can("runs.payload")


class LinkFilter(RowFilter):
    """Links by how they stand, and by what they are about."""

    state = filters.ChoiceFilter(choices=Link.State.choices)
    stripe_id = filters.CharFilter(help_text="The Stripe object, such as cus_....")
    record_id = filters.CharFilter(help_text="The Salesforce record, in 18 characters.")
    external_id = filters.CharFilter(help_text="What the record is found by.")
    object = filters.CharFilter(field_name="salesforce_object", help_text="Such as Account.")
    currency = filters.CharFilter(
        method="in_currency", help_text="Three letters: links that count as money in it."
    )
    first_synced_after = filters.IsoDateTimeFilter(
        method="first_synced_since", help_text="First saved at this moment or later."
    )
    q = filters.CharFilter(
        method="about", help_text="Any id of both sides, or an e-mail address among the newest links."
    )

    class Meta:
        model = Link
        fields = ()

    def in_currency(self, rows: QuerySet[Link], name: str, wanted: str) -> QuerySet[Link]:
        """Return the links that count as money in one currency."""
        return standing.of_money(rows, wanted)

    def first_synced_since(self, rows: QuerySet[Link], name: str, moment: datetime) -> QuerySet[Link]:
        """Return the links whose record was first saved at `moment` or later."""
        check_moment(name, moment)
        return standing.first_synced_since(rows, moment)

    def about(self, rows: QuerySet[Link], name: str, text: str) -> QuerySet[Link]:
        """
        Return the links that are about `text`.

        :raises ValidationError: for an address, without the permission to see payloads
        """
        if "@" in text and not self.request.parser_context["view"].scope.can("runs.payload"):
            raise ValidationError({"q": "Your role does not include the content of events and records."})
        return standing.search(rows, text)


@extend_schema(tags=["links"])
@extend_schema_view(
    list=extend_schema(
        summary="List links",
        description="Which Stripe object is which Salesforce record, newest first.",
        parameters=[WITHIN],
        responses={200: LinkSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(
        summary="Show a link",
        description="With what both sides agreed on, and what set each field.",
        responses={200: LinkDetailSerializer, **refusals(404)},
    ),
)
class LinkViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Link]):
    """Links."""

    queryset = Link.objects.select_related("pair__environment", "pair__integration").order_by("-id")
    filterset_class = LinkFilter
    environment_at = "pair__environment"
    lookup_url_kwarg = "id"
    lookup_value_regex = NUMBER
    permissions: ClassVar[dict[str, str]] = {"list": "runs.view", "retrieve": "runs.view"}

    def get_queryset(self) -> Any:
        """Return the links; a list opens no values."""
        rows = super().get_queryset()
        return rows if self.action == "retrieve" else rows.defer("agreed", "base")

    def get_serializer_class(self) -> type[LinkSerializer]:
        """Return the longer form for one link."""
        return LinkDetailSerializer if self.action == "retrieve" else LinkSerializer
