"""This module serves the OpenAPI document and the page that explains it, to members only."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from integrator.accounts.access import SIGNED_IN, HasPermission, signed_in


class SchemaDocument(SpectacularAPIView):
    """The OpenAPI document of this version of the REST interface."""

    permission_classes = (HasPermission,)
    permissions = {"get": SIGNED_IN}  # it says the same to everybody, and is about no workspace

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer with the document, which is the same for everybody who may read it."""
        return Response(_document())


@cache
def _document() -> dict[str, Any]:
    # Putting it together takes a second of computing, and it changes with the program only.
    generator: Any = SchemaGenerator  # the library's own functions are not annotated
    found: dict[str, Any] = generator().get_schema(request=None, public=True)
    return found


@method_decorator(signed_in, name="dispatch")
class DocumentationPage(View):
    """The OpenAPI document for people, from files of our own host."""

    permission = SIGNED_IN

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the page, which reads the document from beside it."""
        return render(request, "accounts/docs.html")


class BearerToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library's own
    """How the OpenAPI document describes our tokens."""

    target_class = "integrator.accounts.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "igr_…",
            "description": "An API token of a workspace. Make one under Settings, Tokens.",
        }
