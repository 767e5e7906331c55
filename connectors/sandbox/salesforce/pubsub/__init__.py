"""This package serves the org's event bus over gRPC, as the Pub/Sub API does."""

from __future__ import annotations
