"""This module maps the addresses of people, tokens and audit."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrator.accounts import views

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("people/", views.people_list, name="people"),
    path("people/new/", views.add_person, name="add_person"),
    path("people/<int:membership>/role/", views.change_role, name="change_role"),
    path("people/<int:membership>/remove/", views.remove_person, name="remove_person"),
    path("tokens/", views.token_list, name="tokens"),
    path("tokens/new/", views.make_token, name="make_token"),
    path("tokens/<str:token>/revoke/", views.revoke_token, name="revoke_token"),
    path("workspace/", views.settings_of_workspace, name="settings"),
    path("workspace/time-zone/", views.choose_time_zone, name="choose_time_zone"),
    path("audit/", views.audit_trail, name="audit"),
]
