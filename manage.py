#!/usr/bin/env python
"""This module runs Integrator's commands: `python manage.py help` lists them."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrator.settings")
    # With two threads on two cores numpy is several times slower than with one. Read when it is imported.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # The part that this process plays; a web process keeps a pool of database connections.
    os.environ["INTEGRATOR_ROLE"] = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        execute_from_command_line(sys.argv)
    finally:
        # A command that was over in a moment has not written yet which calls it made.
        if metering := sys.modules.get("connectors.metering"):
            metering.METER.write()
