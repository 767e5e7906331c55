"""This package is the REST interface of flows: design, versions, the inbox, runs and dead letters."""

from __future__ import annotations

from flows.api.urls import urlpatterns

__all__ = ["urlpatterns"]
