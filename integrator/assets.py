"""This module collects static files, and serves them beside Django, which would need a thread for each."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Modules(ManifestStaticFilesStorage):
    """Static files under names that hold a hash of their content; our scripts import each other by them."""

    # Of ours alone: packages bring scripts whose imports lead nowhere.
    patterns = (
        *ManifestStaticFilesStorage.patterns,
        ("js/*.js", ((r"""(?P<matched>from "(?P<url>\./[a-z-]+\.js)")""", 'from "%(url)s"'),)),
    )


class Assets(StaticFiles):
    """The files of `collectstatic`. Their names hold a hash of their content: browsers keep them for good."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = HTTPStatus.OK,
    ) -> Response:
        """Return the file with its caching and the few protective headers that matter for it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        # For a picture that is opened by itself and could hold a script.
        response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        return response


def collect() -> bool:
    """
    Collect the static files if any of them has changed, and return whether they were collected.

    One process at a time does so: two that start together would delete files under each other's hands.
    """
    root = Path(settings.STATIC_ROOT)
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / f"{root.name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        sources = _fingerprint()
        if root.is_dir() and lock.read() == sources:
            return False
        lock.truncate(0)
        call_command("collectstatic", interactive=False, verbosity=0)
        lock.write(sources)
        return True


def _fingerprint() -> str:
    """Return a digest of which files there are to collect, how long they are and when they changed."""
    digest = hashlib.sha256()
    for finder in finders.get_finders():
        for path, storage in finder.list(None):
            size, changed = storage.size(path), storage.get_modified_time(path)
            digest.update(f"{path}\0{size}\0{changed.isoformat()}\n".encode())
    return digest.hexdigest()


def assets(django_application: ASGIHandler) -> Callable[..., Awaitable[None]]:
    """Return what answers under STATIC_URL: collected files, or in development those in the source tree."""
    if settings.DEBUG:
        return ASGIStaticFilesHandler(django_application)
    files = GZipMiddleware(Assets(directory=settings.STATIC_ROOT, check_dir=False))
    return Starlette(routes=[Mount(settings.STATIC_URL.rstrip("/"), app=files)])
