"""This module measures what it costs to decode an event of the bus, from Avro to the inbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.product import ROOT
from tests.benchmarks.tables import Table

COLUMNS = {
    "fields": ("fields of the object", ",.0f"),
    "avro": ("µs from Avro", ",.1f"),
    "read": ("µs to read it", ",.1f"),
    "delivery": ("µs to a delivery", ",.1f"),
    "whole": ("µs together", ",.1f"),
}
# Models exist only once Django is set up.
_DECODE = "import django; django.setup(); from tests.benchmarks import decoder; decoder.main()"


def measure(asked: Asked) -> Measured:
    """Decode events of several objects, in each round in a new process."""
    table = Table("decoding", COLUMNS)
    for _ in range(asked.rounds):
        for name, figures in _costs().items():
            table.add(name, figures)
    dearest = max(table.figure(name, "whole") for name in table.rounds)
    return Measured([table], {"L2.decode": dearest})


def _costs() -> dict[str, dict[str, float]]:
    env = {**os.environ, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "integrator.settings"}
    done = subprocess.run(
        [sys.executable, "-c", _DECODE], cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found
