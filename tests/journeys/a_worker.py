"""This module is a worker process of its own, for journeys that kill one: it drains until it is killed."""

from __future__ import annotations

import time

import django

if __name__ == "__main__":
    django.setup()
    # Django has to be set up before anything that imports models.
    from flows import lanes, runner

    while True:
        runner.work(lanes.this_worker(), lambda: True)
        time.sleep(0.01)
