"""This module maps the addresses of the OpenAPI document and of the page that explains it."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrator.accounts.docs import DocumentationPage, SchemaDocument

urlpatterns: list[URLPattern] = [
    path("schema/", SchemaDocument.as_view(), name="schema"),
    path("docs/", DocumentationPage.as_view(), name="docs"),
]
