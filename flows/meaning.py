"""
This module lets a small language model on this machine compare what paths and fields mean, if there is one.

It is off unless somebody switches it on. The model is read and asked in a thread: whoever suggests waits for
a moment at most, and goes on without what is not there yet. Where anything is missing suggestions are what
they would be without it.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

from flows.embedding import installing
from flows.mapping.suggest import Embedder

log = structlog.get_logger(__name__)

PATIENCE = 0.2  # seconds that one request waits in all


def embedder() -> Embedder | None:
    """Return what embeds texts for one request, or nothing where no model is ready for use."""
    models = Path(settings.MODELS_FOLDER)
    if not settings.SUGGESTIONS_EMBEDDING or not installing.is_installed(models):
        return None
    # Inside a transaction others may wait for what this one holds.
    ends = time.monotonic() + (0.0 if connection.in_atomic_block else PATIENCE)
    vectors = _model(str(installing.folder_in(models)), os.getpid()).vectors(ends=ends)
    return None if vectors is None else partial(vectors.of, ends=ends)


class _Model:
    """The vectors of the model in a folder, once it is read."""

    def __init__(self, folder: str) -> None:
        self._folder, self._vectors, self._over = folder, None, Event()
        Thread(target=self._read, name="embedding", daemon=True).start()

    def vectors(self, *, ends: float) -> Any:
        """Return the vectors, or nothing if the model is not read by `ends` or cannot be."""
        self._over.wait(timeout=max(0.0, ends - time.monotonic()))
        return self._vectors

    def _read(self) -> None:
        try:
            # By name and here, since numpy is optional and a process without a model need not carry it.
            model = import_module("flows.embedding.minilm").load(Path(self._folder))
            self._vectors = import_module("flows.embedding.vectors").Vectors(model, width=model.width)
        except (ImportError, OSError, ValueError) as failure:
            log.warning("embedding_unavailable", failure=str(failure))
        finally:
            self._over.set()


@lru_cache(maxsize=1)
def _model(folder: str, pid: int) -> _Model:
    return _Model(folder)
