"""This package measures the product: `python -m tests.benchmarks receiver|delivery|calls|drain`."""

from __future__ import annotations
