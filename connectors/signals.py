"""This module holds the signals by which connections tell what happened to them, after the commit."""

from __future__ import annotations

from django.dispatch import Signal

# connection_id, environment_id, state: a connection was paused, rested, resumed or woke up.
connection_changed = Signal()
