"""This module tells whether the process behind a worker is still there, as far as this host can know."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one host, told apart from a later one with the same pid."""

    host: str
    boot_id: str
    pid: int
    started_ticks: str


def this_process() -> Process:
    """Return who we are."""
    pid = os.getpid()
    return Process(host=host(), boot_id=boot_id(), pid=pid, started_ticks=started_ticks(pid))


def is_alive(process: Process) -> bool:
    """Tell whether `process` of this host still runs. A reused pid counts as gone."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there and belongs to somebody else
    ticks, state = _stat(process.pid)
    return state != "Z" and (not process.started_ticks or ticks == process.started_ticks)


@lru_cache(maxsize=1)
def host() -> str:
    """Return a name for the place where our pids mean something: the host and its pid namespace."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()[:70]} {namespace}".strip()


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return what tells one start of the host from the next, where the system says so."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def started_ticks(pid: int) -> str:
    """Return when the process was started, in clock ticks since boot, where the system says so."""
    return _stat(pid)[0]


def _stat(pid: int) -> tuple[str, str]:
    """Return start time and state of a process, see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    after_name = text.rpartition(")")[2].split()  # a name may hold spaces and brackets
    return after_name[19], after_name[0]
