"""This module tells a load balancer whether this process answers, and whether the product makes progress."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from flows import queries, watchdog

# Put into the ASGI scope by integrator.asgi: whether this process could commit a webhook now.
RECEIVER_READY = "integrator.receiver_ready"

_migrated = False


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200 for as long as the process does."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """
    Answer 200 if events can be taken and the workers make progress, otherwise 503.

    Judged by progress: a worker that is alive and does nothing is not ready. The parts are
    named without detail, since anybody may ask.
    """
    parts = {"database": False, "migrations": False, "receiver": False, "workers": False}
    try:
        connection.ensure_connection()
        parts["database"] = True
        parts["migrations"] = _is_migrated()
        if parts["migrations"]:
            now = timezone.now()
            started = now - watchdog.OVERDUE
            parts["workers"] = not watchdog.stuck(queries.progress(), now=now, pool_started_at=started)
    except (DatabaseError, InterfaceError):
        connection.close()
    scope = getattr(request, "scope", {})
    parts["receiver"] = bool(scope.get(RECEIVER_READY, True))
    well = all(parts.values())
    return JsonResponse({"ready": well, **parts}, status=200 if well else 503)


def _is_migrated() -> bool:
    global _migrated  # noqa: PLW0603  # once applied, migrations stay applied while this process lives
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated
