"""This package simulates Stripe and Salesforce over real HTTP; it shares no code with their clients."""

from __future__ import annotations
