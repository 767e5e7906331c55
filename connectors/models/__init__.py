"""This package holds the nouns of the connections, a file for each group of them."""

from __future__ import annotations

from connectors.models.calls import CallHour
from connectors.models.connections import NEEDS_KEY, AccessToken, Connection, Credential
from connectors.models.schemas import SchemaSnapshot
from connectors.models.shares import RateShare, RateShareQuerySet
from connectors.models.streams import Cursor, Topic, TopicQuerySet
from connectors.models.tallies import Tally
from connectors.models.webhooks import WebhookEndpoint, WebhookSecret

__all__ = [
    "NEEDS_KEY",
    "AccessToken",
    "CallHour",
    "Connection",
    "Credential",
    "Cursor",
    "RateShare",
    "RateShareQuerySet",
    "SchemaSnapshot",
    "Tally",
    "Topic",
    "TopicQuerySet",
    "WebhookEndpoint",
    "WebhookSecret",
]
