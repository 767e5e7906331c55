"""This module adds up the processor time and the memory of process trees."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import psutil


def spent(roots: Iterable[int]) -> float:
    """
    Return the seconds that the trees under `roots` have used, ended and reaped children included.

    The difference of two calls is right as long as no root ends between them.
    """
    total = 0.0
    seen: set[int] = set()
    for root in roots:
        for process in tree(root):
            if process.pid in seen:
                continue
            seen.add(process.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def shares(processes: Iterable[psutil.Process]) -> int:
    """Return the bytes of `processes`; a page that several use counts in parts (PSS, Linux only)."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total


def tree(root: int) -> list[psutil.Process]:
    """Return the process `root` and all below it; nothing if it has ended."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
