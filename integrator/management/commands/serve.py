"""This module is the command that serves pages, REST, web sockets and the webhook receiver."""

from __future__ import annotations

import resource
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from integrator import assets
from integrator.processes import die_with_parent
from integrator.wire import BoundedHttp

SPARE_FILES = 200  # open files besides connections: database, Redis, modules


class Command(BaseCommand):
    """Serve over HTTP until SIGTERM or SIGINT, then finish what was begun."""

    help = "Serve pages, REST, web sockets and webhooks (uvicorn). A proxy in front brings TLS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take where to listen."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        """Collect the static files where needed, then serve."""
        die_with_parent()
        if not settings.DEBUG:
            assets.collect()
        uvicorn.run(
            "integrator.asgi:application",
            host=options["host"],
            port=options["port"],
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=20,
            http=BoundedHttp,
            limit_concurrency=_most_connections(),
            timeout_keep_alive=75,
            proxy_headers=True,
            forwarded_allow_ips=settings.FORWARDED_ALLOW_IPS,
            server_header=False,
            ws_max_size=64 * 1024,
        )


def _most_connections() -> int:
    """Raise the limit of open files as far as this user may, and return how many connections fit below it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most: int = settings.MOST_CONNECTIONS
    return most if hard == resource.RLIM_INFINITY else max(1, min(most, hard - SPARE_FILES))
