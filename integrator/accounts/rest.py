"""This module is the frame of every REST view: its scope, its refusals, and what it hides."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.viewsets import GenericViewSet

from integrator.accounts.access import Scope, scope_of
from integrator.accounts.models import Environment
from integrator.kernel.refusals import Unacceptable
from integrator.web import Conflict

M = TypeVar("M", bound=Model)

PUBLIC_ID = r"[A-Za-z0-9_-]{1,24}"
NUMBER = r"[0-9]{1,18}"

WITHIN = OpenApiParameter("environment", str, description="Only what belongs to this environment (its slug).")

PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "request_id": serializers.CharField(),
        "errors": serializers.ListField(child=serializers.DictField(), required=False),
    },
)


def refusals(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Return what the OpenAPI document says about answers that refuse, as RFC 9457 problems."""
    texts = {
        400: "The request is not valid; `errors` names the fields.",
        401: "The token is missing, unknown, revoked or expired.",
        403: "The role does not allow this.",
        404: "There is nothing here for this workspace.",
        409: "It is in another state by now.",
        502: "The other system did not do what it was asked.",
    }
    return {
        (status, "application/problem+json"): OpenApiResponse(PROBLEM, description=texts[status])
        for status in statuses
    }


class RowFilter(FilterSet):  # type: ignore[misc]  # the library ships no types
    """Which rows of a list to show, by its address's parameters."""


class ScopedViewSet(GenericViewSet[M]):
    """
    Views over rows of one workspace: whatever belongs to another is not there.

    `environment_at` is the path from a row to its environment, `permissions` the policy's name for each
    action, and `conflicts` the refusals of the operations that mean "not in its present state".
    """

    environment_at: ClassVar[str] = "environment"
    permissions: ClassVar[dict[str, str]] = {}
    conflicts: ClassVar[tuple[type[Exception], ...]] = ()

    @property
    def scope(self) -> Scope:
        """Where the request is and who is behind it."""
        return scope_of(self.request)

    def get_queryset(self) -> QuerySet[M]:
        """Return the rows that this request may reach."""
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return self.within(rows)

    def within(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Return those of `rows` that belong to the request's workspace and environment."""
        # Ids, not a subquery: few they are, and the database then sees that it may read in order.
        reach = list(self.scope.environments().values_list("pk", flat=True))
        return rows.filter(**{f"{self.environment_at}__in": reach})

    def read(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """
        Return what the request's body says, as `serializer` describes it; whatever else it says is ignored.

        :raises ValidationError: if it does not fit
        """
        given = serializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def by(self) -> dict[str, Any]:
        """Return who acts and when, as every operation wants to know."""
        return {"actor": self.scope.actor, "now": timezone.now()}

    def environment_named(self, slug: str) -> Environment:
        """
        Return the environment that a request's body names.

        :raises ValidationError: if the request cannot reach it
        """
        found = self.scope.environments().filter(slug=slug).first()
        if found is None:
            raise ValidationError({"environment": f"There is no environment {slug!r} here."})
        return found

    def handle_exception(self, exc: Exception) -> Any:
        """Answer a refusal of an operation with 409, or with 400 and its field; all else as DRF does."""
        if isinstance(exc, self.conflicts):
            exc = Conflict(str(exc))
        elif isinstance(exc, Unacceptable):
            exc = ValidationError({exc.field or "detail": str(exc)})
        return super().handle_exception(exc)
