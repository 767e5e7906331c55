"""This package simulates a Salesforce org, API v67.0, over real HTTP."""

from __future__ import annotations
