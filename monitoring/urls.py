"""This module maps the addresses of the monitoring pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from monitoring import (
    anomaly_views,
    budget_views,
    channel_views,
    known_views,
    payment_views,
    rule_views,
    views,
)

app_name = "monitoring"
urlpatterns: list[URLPattern] = [
    path("", views.dashboard, name="dashboard"),
    path("live/", views.live, name="live"),
    path("alerts/", views.alert_list, name="alerts"),
    path("alerts/channels/", channel_views.channel_list, name="channels"),
    path("alerts/channels/new/<slug:kind>/", channel_views.add_channel, name="add_channel"),
    path("alerts/channels/<str:channel>/", channel_views.change_channel, name="change_channel"),
    path("alerts/channels/<str:channel>/switch/", channel_views.switch_channel, name="switch_channel"),
    path("alerts/channels/<str:channel>/delete/", channel_views.delete_channel, name="delete_channel"),
    path("alerts/channels/<str:channel>/test/", channel_views.test_channel, name="test_channel"),
    path("alerts/channels/<str:channel>/secret/", channel_views.renew_secret, name="renew_secret"),
    path("alerts/rules/", rule_views.rule_list, name="rules"),
    path("alerts/rules/new/", rule_views.add_rule, name="add_rule"),
    path("alerts/rules/<str:rule>/", rule_views.change_rule, name="change_rule"),
    path("alerts/rules/<str:rule>/switch/", rule_views.switch_rule, name="switch_rule"),
    path("alerts/rules/<str:rule>/move/", rule_views.move_rule, name="move_rule"),
    path("alerts/rules/<str:rule>/delete/", rule_views.delete_rule, name="delete_rule"),
    path("alerts/messages/", channel_views.dispatch_list, name="deliveries"),
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
    path("anomalies/<str:anomaly>/", anomaly_views.anomaly, name="anomaly"),
    path("anomalies/<str:anomaly>/acknowledge/", anomaly_views.acknowledge, name="acknowledge_anomaly"),
    path("anomalies/<str:anomaly>/mute/", anomaly_views.mute, name="mute_anomaly"),
    path("anomalies/<str:anomaly>/dismiss/", anomaly_views.dismiss, name="dismiss"),
    path("payments.csv", payment_views.payment_sheet, name="payments_csv"),
    path("payments/", payment_views.payment_list, name="payments"),
    path("conservation/", views.conservation, name="conservation"),
    path("budgets/", budget_views.budget_list, name="budgets"),
    path("budgets/<str:connection>/", budget_views.budget, name="budget"),
    path("budgets/<str:connection>/reserve/", budget_views.reserve, name="reserve"),
    path("budgets/<str:connection>/priority/", budget_views.priority, name="priority"),
]
