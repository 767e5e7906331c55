"""This module keeps the vectors of texts, and works out new ones in a thread of its own."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from threading import Condition, Thread

import numpy as np
import numpy.typing as npt

from flows.embedding.tensors import Array

MOST_KEPT = 20_000  # vectors, the last used ones; each takes some 800 bytes
MOST_WAITING = 5_000  # texts; what is more is asked for again by whoever needs it
_BATCH = 16  # texts that are worked out before anybody is told


class Vectors:
    """The vectors of a model that were asked for, each worked out once."""

    def __init__(self, model: Callable[[Sequence[str]], Array], *, width: int, most: int = MOST_KEPT) -> None:
        self._model, self._width, self._most = model, width, most
        self._known: OrderedDict[bytes, npt.NDArray[np.float16]] = OrderedDict()
        self._waiting: OrderedDict[bytes, str] = OrderedDict()
        self._changed = Condition()
        self._at_work = False

    @property
    def kept(self) -> int:
        """Return how many are kept."""
        return len(self._known)

    def of(self, texts: Sequence[str], *, ends: float) -> Array:
        """
        Return a vector of the length 1 for each of `texts` that has one when `time.monotonic` is at `ends`.

        The others have the length 0; they are worked out while nobody waits, so that they are there later.
        """
        keys = [_key(text) for text in texts]
        found = np.zeros((len(texts), self._width), dtype=np.float32)
        with self._changed:
            self._order(dict(zip(keys, texts, strict=True)))
            self._changed.wait_for(
                lambda: self._waiting.keys().isdisjoint(keys), timeout=max(0.0, ends - time.monotonic())
            )
            for place, key in enumerate(keys):
                if key in self._known:
                    self._known.move_to_end(key)
                    found[place] = self._known[key]
        return found

    def _order(self, told: dict[bytes, str]) -> None:
        for key, text in told.items():
            if key not in self._known and len(self._waiting) < MOST_WAITING:
                self._waiting.setdefault(key, text)
        if self._waiting and not self._at_work:
            self._at_work = True
            Thread(target=self._work, name="embedding", daemon=True).start()

    def _work(self) -> None:
        try:
            while batch := self._next():
                vectors = self._model(list(batch.values()))
                with self._changed:
                    self._keep(list(batch), vectors)
        except Exception:
            with self._changed:
                self._at_work = False
                self._waiting.clear()
                self._changed.notify_all()  # nobody waits for what will not come
            raise

    def _next(self) -> dict[bytes, str]:
        """Return what has waited longest. Where nothing has, the work ends before anybody can add to it."""
        with self._changed:
            batch = dict(list(self._waiting.items())[:_BATCH])
            self._at_work = bool(batch)
            return batch

    def _keep(self, keys: Sequence[bytes], vectors: Array) -> None:
        for key, vector in zip(keys, vectors, strict=True):
            self._known[key] = vector.astype(np.float16)  # precise enough for how near two texts are
            self._waiting.pop(key, None)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        self._changed.notify_all()


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
