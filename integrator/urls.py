"""This module maps every address of the product to the layer that answers it."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from integrator import health
from integrator.accounts.access import home
from integrator.accounts.workspace_api import WorkspaceItself
from monitoring import metrics, status

handler403 = "integrator.web.forbidden"
handler404 = "integrator.web.not_found"
handler500 = "integrator.web.server_error"

PLACE = "w/<slug:workspace>/<slug:environment>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
    path("metrics", metrics.exposition, name="metrics"),
    path("accounts/", include("integrator.accounts.entrance_urls")),
    path("api/v1/workspace/", WorkspaceItself.as_view(), name="workspace_api"),
    path("api/v1/", include("monitoring.api")),
    path("api/v1/", include("flows.api")),
    path("api/v1/", include("connectors.api")),
    path("api/", include("integrator.accounts.docs_urls")),
    path("w/<slug:workspace>/settings/status/", status.page, name="status"),
    path("w/<slug:workspace>/settings/", include("integrator.accounts.urls")),
    path(PLACE, include("monitoring.urls")),
    path(PLACE, include("flows.urls")),
    path(PLACE, include("connectors.urls")),
]
