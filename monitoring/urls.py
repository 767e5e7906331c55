"""This module maps the addresses of the monitoring pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from monitoring import views

app_name = "monitoring"
urlpatterns: list[URLPattern] = [
    path("", views.dashboard, name="dashboard"),
    path("live/", views.live, name="live"),
    path("alerts/", views.alert_list, name="alerts"),
    path("alerts/<str:alert>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("alerts/<str:alert>/mute/", views.mute, name="mute"),
    path("conservation/", views.conservation, name="conservation"),
]
