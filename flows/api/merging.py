"""This module is the REST interface of merging records of an org: look first, then have it done."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection
from flows.merging import checking, working
from flows.merging.checking import Wanted
from flows.models import Merge
from flows.survivors import Preset
from integrator import vault
from integrator.accounts.access import Scope
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.errors import IntegrationError
from integrator.kernel.redact import redact, redact_text
from integrator.web import OtherSide


class MergeSurvivorSerializer(serializers.Serializer[Any]):
    """Whose value one field has, of those in which the records differ."""

    field = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, as DRF makes them
    record = serializers.CharField(help_text="Id of the record whose value stays.")
    reason = serializers.CharField(help_text="only, chosen, newest, complete or kept.")
    fixed = serializers.CharField(
        help_text="key, currency, masked or readonly where nobody can choose; else empty."
    )


class MergeChildrenSerializer(serializers.Serializer[Any]):
    """The records that refer to those merged by one look-up."""

    object = serializers.CharField()
    field = serializers.CharField()
    ids = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), help_text="By the record they refer to."
    )
    more = serializers.BooleanField(help_text="There are more than are followed one by one.")
    unknown = serializers.CharField(help_text="Why they are not known; empty if they are.")


class MergeLinkSerializer(serializers.Serializer[Any]):
    """A link of one of the records."""

    id = serializers.IntegerField()
    stripe_id = serializers.CharField()
    record = serializers.CharField()
    moves = serializers.BooleanField(help_text="It moves to the record that is kept.")
    asks = serializers.BooleanField(help_text="A person is asked before its next write.")


class MergeFoundSerializer(serializers.Serializer[Any]):
    """One thing that was looked at afterwards."""

    about = serializers.CharField()
    says = serializers.CharField()
    ok = serializers.BooleanField()


class MergeSerializer(serializers.ModelSerializer[Merge]):
    """A merge of records into the one that is kept."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.CharField(source="connection.environment.slug", read_only=True)
    connection = serializers.CharField(source="connection.public_id", read_only=True)
    keep = serializers.CharField(source="master", read_only=True, help_text="The record that is kept.")
    merged = serializers.ListField(
        source="losers", child=serializers.CharField(), read_only=True, help_text="Those merged into it."
    )
    failure = serializers.SerializerMethodField(help_text="What went wrong; empty if nothing did.")

    class Meta:
        model = Merge
        fields: ClassVar[tuple[str, ...]] = (
            "id", "environment", "connection", "object", "keep", "merged", "preset", "state", "actor",
            "created_at", "asked_by", "asked_at", "sent_at", "merged_at", "ended_at", "seen_at", "seen_by",
            "failure", "failure_code",
        )  # fmt: skip
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_failure(self, merge: Merge) -> str:
        """Return what went wrong, without secrets."""
        return redact_text(merge.failure)


class MergeDetailSerializer(MergeSerializer):
    """A merge with what it does, what was found afterwards, and how to take it back."""

    survivors = MergeSurvivorSerializer(many=True, read_only=True)
    children = MergeChildrenSerializer(many=True, read_only=True)
    links = MergeLinkSerializer(many=True, read_only=True)
    verified = MergeFoundSerializer(many=True, read_only=True)
    values = serializers.SerializerMethodField(
        help_text="What the kept record gets, by field, without secrets; null for whoever may not merge."
    )
    before = serializers.SerializerMethodField(
        help_text="The records as they were, by id, without secrets; null for whoever may not merge."
    )
    restorable_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Until when Salesforce keeps what was merged."
    )

    class Meta(MergeSerializer.Meta):
        fields = (
            *MergeSerializer.Meta.fields, "survivors", "children", "links", "verified", "values", "before",
            "restorable_until",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(child=serializers.JSONField(), allow_null=True))
    def get_values(self, merge: Merge) -> Any:
        """Return what is sent, for those who may merge."""
        return self._opened(merge, "values")

    @extend_schema_field(serializers.DictField(child=serializers.JSONField(), allow_null=True))
    def get_before(self, merge: Merge) -> Any:
        """Return the records as they were, for those who may merge."""
        return self._opened(merge, "records")

    def _opened(self, merge: Merge, name: str) -> Any:
        scope: Scope = self.context["view"].scope
        if not scope.can("records.merge"):
            return None
        try:
            return redact(getattr(merge, name)())
        except vault.Unreadable:
            return None


class NewMergeSerializer(serializers.Serializer[Any]):
    """Which records are to become one."""

    connection = serializers.CharField(help_text="Id of a connection to Salesforce.")
    object = serializers.ChoiceField(choices=list(checking.OBJECTS))
    ids = serializers.ListField(
        child=serializers.CharField(max_length=300),
        min_length=2,
        max_length=checking.MOST,
        help_text="Ids or addresses of two or three records; the first one is kept.",
    )
    preset = serializers.ChoiceField(
        choices=[one.value for one in Preset], default=Preset.KEEP.value, help_text="Whose values survive."
    )
    chosen = serializers.DictField(
        child=serializers.CharField(max_length=300),
        default=dict,
        help_text="By field, the id of the record whose value survives whatever the preset says.",
    )


class MergeFilter(RowFilter):
    """Merges by how they stand."""

    state = filters.ChoiceFilter(choices=Merge.State.choices)

    class Meta:
        model = Merge
        fields = ()


@extend_schema(tags=["merges"])
@extend_schema_view(
    list=extend_schema(
        summary="List merges",
        parameters=[WITHIN],
        responses={200: MergeSerializer(many=True), **refusals(400)},
    ),
    retrieve=extend_schema(summary="Show a merge", responses={200: MergeDetailSerializer, **refusals(404)}),
)
class MergeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Merge]):
    """Merges of records of an org."""

    queryset = Merge.objects.select_related("connection__environment__workspace")
    serializer_class = MergeSerializer
    filterset_class = MergeFilter
    environment_at = "connection__environment"
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    conflicts = (working.AlreadyHandled,)
    permissions: ClassVar[dict[str, str]] = {
        "list": "runs.view",
        "retrieve": "runs.view",
        "create": "records.merge",
        "run": "records.merge",
        "seen": "records.merge",
    }

    def get_queryset(self) -> QuerySet[Merge]:
        """Return the merges that this request may reach, of a list without what it does not show."""
        rows = super().get_queryset()
        return rows.defer(*Merge.BULKY) if self.action == "list" else rows

    def get_serializer_class(self) -> type[MergeSerializer]:
        """Return what shows one merge, or many."""
        return MergeSerializer if self.action == "list" else MergeDetailSerializer

    @extend_schema(
        summary="Look what a merge would do",
        request=NewMergeSerializer,
        responses={201: MergeDetailSerializer, **refusals(400, 403, 502)},
    )
    def create(self, request: Request) -> Response:
        """Keep what merging the records would do; nothing is changed in Salesforce by it."""
        given = self.read(NewMergeSerializer)
        wanted = Wanted(
            self._connection(given["connection"]),
            given["object"],
            checking.ids_in("\n".join(given["ids"])),
            Preset(given["preset"]),
            {name: next(iter(checking.ids_in(one)), "") for name, one in given["chosen"].items()},
        )
        try:
            merge = checking.check(wanted, **self.by())
        except IntegrationError as failure:
            raise OtherSide(redact_text(f"Salesforce could not be asked: {failure}")) from None
        return Response(self._shown(merge), status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Merge what was looked at",
        request=None,
        responses={202: MergeDetailSerializer, **refusals(400, 403, 404, 409)},
    )
    def run(self, request: Request, id: str) -> Response:
        """Have it done in the background, within an hour of looking, if the records are still the same."""
        merge = working.begin(merge=self.get_object(), **self.by())
        return Response(self._shown(merge), status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Say that somebody has looked at what went wrong",
        request=None,
        responses={200: MergeDetailSerializer, **refusals(403, 404, 409)},
    )
    def seen(self, request: Request, id: str) -> Response:
        """Let the alert about it be over."""
        working.look_at(merge=self.get_object(), **self.by())
        return Response(self._shown(self.get_object()))

    def _connection(self, public_id: str) -> Connection:
        there = Connection.objects.filter(
            environment__in=self.scope.environments(), system=Connection.System.SALESFORCE
        )
        found = there.select_related("environment__workspace").filter(public_id=public_id.replace("\0", ""))
        connection = found.first()
        if connection is None:
            raise ValidationError({"connection": "There is no such connection to Salesforce here."})
        return connection

    def _shown(self, merge: Merge) -> dict[str, Any]:
        return dict(MergeDetailSerializer(merge, context={"view": self}).data)
