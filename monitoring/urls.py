"""This module maps the addresses of the monitoring pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from monitoring import anomaly_views, views

app_name = "monitoring"
urlpatterns: list[URLPattern] = [
    path("", views.dashboard, name="dashboard"),
    path("live/", views.live, name="live"),
    path("alerts/", views.alert_list, name="alerts"),
    path("alerts/<str:alert>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("alerts/<str:alert>/mute/", views.mute, name="mute"),
    path("anomalies/", anomaly_views.anomaly_list, name="anomalies"),
    path("anomalies/announce/", anomaly_views.announce, name="announce"),
    path("anomalies/<str:anomaly>/dismiss/", anomaly_views.dismiss, name="dismiss"),
    path("conservation/", views.conservation, name="conservation"),
]
