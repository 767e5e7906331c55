"""This package simulates the Stripe API, version 2026-10-28.endive, with signed webhooks."""

from __future__ import annotations
