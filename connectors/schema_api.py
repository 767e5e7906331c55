"""This module is the REST interface of what objects at both sides consist of, and of what has changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.urls import re_path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors import schemas
from connectors.models import Connection
from integrator.accounts.rest import PUBLIC_ID, ScopedViewSet, refusals
from integrator.web import OtherSide

SINCE = OpenApiParameter(
    "since", datetime, description="From when on; without it, since the object was first asked about."
)


class ObjectSerializer(serializers.Serializer[Any]):
    """One object that there is at the other side."""

    name = serializers.CharField(help_text="API name, or the type of Stripe's objects.")
    label = serializers.CharField(  # type: ignore[assignment]  # a field of that name, as DRF makes them
        help_text="Salesforce's label, or what Stripe says of it."
    )


class SchemaSerializer(serializers.Serializer[Any]):
    """What is known of an object, and how sure that is."""

    object = serializers.CharField()
    version = serializers.CharField(help_text="Of the API that told it.")
    number = serializers.IntegerField(help_text="Counts how often it was found to have changed.")
    taken_at = serializers.DateTimeField(help_text="Since when it has been so, as far as was seen.")
    checked_at = serializers.DateTimeField(help_text="When it was last found to be so.")
    failed_at = serializers.DateTimeField(help_text="When asking again did not work, if it did not.")
    failure = serializers.CharField(help_text="Why it did not work.")
    gone = serializers.BooleanField(help_text="The object is not there any more, or may not be seen.")
    fields = serializers.ListField(  # type: ignore[assignment]  # a field of that name
        child=serializers.DictField(),
        help_text="Of Salesforce, as its describe names them; of Stripe: path, type, text, values, nullable, "
        "expands, deprecated, and what to use instead of what was removed.",
    )

    record_types = serializers.SerializerMethodField(
        help_text="Of Salesforce: the types that records may be of, each with name, label, id, available, "
        "default and master; `picklists` are the values of those that have not all of their field's, null "
        "where the org does not tell."
    )

    def get_record_types(self, known: schemas.Schema) -> list[dict[str, Any]]:
        """Return the record types as they are kept."""
        return list(known.content.get("recordTypes", ()))


class ObjectsSerializer(serializers.Serializer[Any]):
    """The objects that there are, and when that was found out."""

    checked_at = serializers.DateTimeField()
    failure = serializers.CharField()
    objects = ObjectSerializer(many=True)


class DifferenceSerializer(serializers.Serializer[Any]):
    """One thing that has changed."""

    field = serializers.CharField(help_text="Empty where it is about the whole object.")
    kind = serializers.CharField(help_text="Such as removed, type, shorter, value_gone, required.")
    text = serializers.CharField(help_text="The same in plain words.")
    before = serializers.CharField()
    after = serializers.CharField()
    breaks = serializers.BooleanField(help_text="A mapping that worked may fail now.")


@extend_schema(tags=["schemas"])
class SchemaViewSet(ScopedViewSet[Connection]):
    """What objects at the other side of a connection consist of."""

    queryset = Connection.objects.select_related("environment__workspace")
    serializer_class = SchemaSerializer
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    pagination_class = None
    filter_backends = ()
    permissions: ClassVar[dict[str, str]] = {
        "list": "connections.view",
        "retrieve": "connections.view",
        "differences": "connections.view",
        "ask": "schemas.refresh",
    }

    @extend_schema(
        operation_id="schemas_list",
        summary="List the objects of a connection",
        responses={200: ObjectsSerializer, **refusals(404, 502)},
    )
    def list(self, request: Request, id: str) -> Response:
        """Name every object that may be seen through the connection."""
        known = self._known(self.get_object(), schemas.EVERY)
        told = {"checked_at": known.checked_at, "failure": known.failure, "objects": known.content["objects"]}
        return Response(ObjectsSerializer(told).data)

    @extend_schema(
        summary="Show the fields of an object", responses={200: SchemaSerializer, **refusals(404, 502)}
    )
    def retrieve(self, request: Request, id: str, object: str) -> Response:
        """Show what is known of an object. It is asked for if nothing is known yet."""
        return Response(SchemaSerializer(self._known(self.get_object(), object)).data)

    @extend_schema(
        summary="Ask for the fields of an object again",
        request=None,
        responses={200: SchemaSerializer, **refusals(403, 404, 502)},
    )
    def ask(self, request: Request, id: str, object: str) -> Response:
        """Ask the other side now, in full. What was known stays if it does not answer: see `failure`."""
        found = self._asked(self.get_object(), object, in_full=True)
        return Response(SchemaSerializer(found).data)

    @extend_schema(
        summary="Show what has changed about an object",
        parameters=[SINCE],
        responses={200: DifferenceSerializer(many=True), **refusals(400, 404)},
    )
    def differences(self, request: Request, id: str, object: str) -> Response:
        """Compare what is known of an object with what was known of it then."""
        connection, moment = self.get_object(), _moment(request.query_params.get("since"))
        if schemas.kept(connection=connection, object=object) is None:
            raise NotFound(f"{object} has not been read yet.")
        told = schemas.since(connection=connection, object=object, moment=moment)
        return Response(DifferenceSerializer(told, many=True).data)

    def _known(self, connection: Connection, name: str) -> schemas.Schema:
        """
        Return what is known of an object; who may ask the other side does so if nothing is.

        :raises NotFound: if nothing is known of it, or there is no such object
        :raises OtherSide: if the other side did not answer
        """
        known = schemas.kept(connection=connection, object=name)
        if known is not None:
            return known
        if not self.scope.at(connection.environment).can("schemas.refresh"):
            raise NotFound("It has not been read yet. Somebody who may change flows can have it read.")
        return self._asked(connection, name)

    def _asked(self, connection: Connection, name: str, *, in_full: bool = False) -> schemas.Schema:
        try:
            return schemas.of(connection=connection, object=name, now=timezone.now(), in_full=in_full)
        except schemas.Unknown as problem:
            raise NotFound(str(problem)) from None
        except schemas.Unavailable as problem:
            raise OtherSide(str(problem)) from None


def _moment(text: str | None) -> datetime:
    """
    Return the moment that an address names; the beginning of time without one.

    :raises ValidationError: if it is none
    """
    if not text:
        return datetime.min.replace(tzinfo=timezone.get_default_timezone())
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or timezone.is_naive(found):
        raise ValidationError({"since": "Use a time with its zone, such as 2026-11-24T12:00:00Z."})
    return found


SCHEMAS = rf"^connections/(?P<id>{PUBLIC_ID})/schemas/"
OBJECT = r"(?P<object>[A-Za-z][A-Za-z0-9_.]{0,79})/"
urlpatterns = [
    re_path(SCHEMAS + "$", SchemaViewSet.as_view({"get": "list"}), name="schemas"),
    re_path(SCHEMAS + OBJECT + "$", SchemaViewSet.as_view({"get": "retrieve"}), name="schema"),
    re_path(SCHEMAS + OBJECT + "ask/$", SchemaViewSet.as_view({"post": "ask"}), name="schema-ask"),
    re_path(
        SCHEMAS + OBJECT + "differences/$",
        SchemaViewSet.as_view({"get": "differences"}),
        name="schema-differences",
    ),
]
