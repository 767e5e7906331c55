"""This module maps the addresses of the monitoring pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from monitoring import anomaly_views, known_views, views

app_name = "monitoring"
urlpatterns: list[URLPattern] = [
    path("", views.dashboard, name="dashboard"),
    path("live/", views.live, name="live"),
    path("alerts/", views.alert_list, name="alerts"),
    path("alerts/<str:alert>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("alerts/<str:alert>/mute/", views.mute, name="mute"),
    path("anomalies/", anomaly_views.anomaly_list, name="anomalies"),
    path("anomalies/announce/", known_views.announce, name="announce"),
    path("anomalies/known/", known_views.known_list, name="known"),
    path("anomalies/known/<str:known>/", known_views.known_event, name="known_event"),
    path("anomalies/known/<str:known>/take-back/", known_views.take_back, name="take_back"),
    path("anomalies/series/<str:series>/choose/", anomaly_views.choose, name="choose_keenness"),
    path("anomalies/series/<str:series>/forget/", anomaly_views.forget_feedback, name="forget_feedback"),
    path("anomalies/series/<str:series>/learn/", anomaly_views.learn, name="learn_anew"),
    path("anomalies/<str:anomaly>/acknowledge/", anomaly_views.acknowledge, name="acknowledge_anomaly"),
    path("anomalies/<str:anomaly>/mute/", anomaly_views.mute, name="mute_anomaly"),
    path("anomalies/<str:anomaly>/dismiss/", anomaly_views.dismiss, name="dismiss"),
    path("conservation/", views.conservation, name="conservation"),
]
