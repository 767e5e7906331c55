"""This package is the org's event bus: platform events, captured changes, and both of them in Avro."""

from __future__ import annotations
