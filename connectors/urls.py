"""This module maps the addresses of the connectors pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from connectors import views

app_name = "connectors"
urlpatterns: list[URLPattern] = [
    path("connections/", views.connection_list, name="list"),
    path("connections/new/<slug:system>/", views.create, name="create"),
    path("connections/package/", views.package, name="package"),
    path("connections/<str:connection>/", views.detail, name="detail"),
    path("connections/<str:connection>/test/", views.test, name="test"),
    path("connections/<str:connection>/readiness/", views.examine, name="readiness"),
    path("connections/<str:connection>/pause/", views.pause, name="pause"),
    path("connections/<str:connection>/resume/", views.resume, name="resume"),
    path("connections/<str:connection>/rotate/", views.rotate, name="rotate"),
    path("connections/<str:connection>/webhooks/new/", views.add_webhook, name="add_webhook"),
    path(
        "connections/<str:connection>/webhooks/<str:endpoint>/secret/",
        views.roll_webhook,
        name="roll_webhook",
    ),
]
