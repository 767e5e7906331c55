"""This module starts, watches and stops processes, so that none outlives its parent or stays down."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

PARENT = "INTEGRATOR_PARENT"
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """
    Ask the kernel to kill this process when the process that supervises it is gone.

    Does nothing where nobody supervises it, and on systems without prctl (only Linux has it).
    """
    parent = os.environ.get(PARENT)
    if not parent:
        return
    _set_death_signal()
    if os.getppid() != int(parent):  # it went away before we asked
        sys.exit(1)


def forks_die_with_parent() -> None:
    """Make every later fork of this process (a pool's workers) die with the process that forked it."""
    os.register_at_fork(after_in_child=_set_death_signal)


def _set_death_signal() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(slots=True)
class Child:
    """A process that is meant to run for as long as its supervisor does."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False  # what it prints on standard output is for programs, not for whoever watches
    wanted: bool = True  # one that is not is asked to stop, and not started again
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at: float = 0.0
    not_before: float = 0.0

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self, *, now: float) -> None:
        """Start the process as leader of a group of its own, so that the whole group can be killed."""
        self.process = subprocess.Popen(  # noqa: S603  # our own command line, never a user's text
            list(self.argv),
            env={**os.environ, **self.env, PARENT: str(os.getpid())},
            stdout=subprocess.DEVNULL if self.quiet else None,
            start_new_session=True,
        )
        self.starts += 1
        self.started_at = now
        log.info("process.started", process=self.name, pid=self.process.pid)

    def signal(self, number: int) -> None:
        """Send a signal to the leader, which is expected to stop its own children in order."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def kill_group(self) -> None:
        """Kill the process and whatever it has forked."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """
    Keep children running until asked to stop, then stop them in order.

    A child that ends is started again, after a pause that doubles from 0.5 s to 10 s while it
    keeps ending within 10 s. SIGTERM and SIGINT stop everything: `farewell` is called while all
    still run, children get SIGTERM, and after `grace` seconds what is left of their groups is killed.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        tick: Callable[[], None] | None = None,
        farewell: Callable[[], None] | None = None,
        every: float = 1.0,
        grace: float = 30.0,
    ) -> None:
        self.children = list(children)
        self._tick = tick
        self._farewell = farewell
        self._every = every
        self._grace = grace
        self._stop = threading.Event()
        self._hurry = threading.Event()

    def stop(self) -> None:
        """Ask for an orderly stop."""
        self._stop.set()

    def _signalled(self, *_: object) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    @property
    def hurried(self) -> bool:
        """Whether a signal came again while stopping: whoever waits is impatient."""
        return self._hurry.is_set()

    def restart(self, name: str, *, reason: str) -> None:
        """Kill the named child's whole group, unless it is down already; the loop starts it anew."""
        for child in self.children:
            if child.name == name and child.alive():
                log.warning("process.restarting", process=name, reason=reason)
                child.kill_group()
                child.not_before = 0.0

    def run(self) -> None:
        """Run until stopped. Must be called from the main thread, which receives the signals."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        try:
            while not self._stop.is_set():
                self._keep_alive(time.monotonic())
                if self._tick is not None:
                    self._tick()
                self._stop.wait(self._every)
            if self._farewell is not None:
                self._farewell()
        finally:
            self.shut_down()

    def _keep_alive(self, now: float) -> None:
        for child in self.children:
            if not child.wanted:
                if child.alive():
                    child.signal(signal.SIGTERM)
                continue
            if child.alive():
                continue
            if child.process is not None and child.not_before <= child.started_at:
                short_lived = now - child.started_at < 10
                pause = min(10.0, 0.5 * 2 ** min(child.starts, 5)) if short_lived else 0.5
                log.warning("process.ended", process=child.name, code=child.process.returncode, pause=pause)
                child.kill_group()  # what it forked must not live on beside its successor
                child.not_before = now + pause
            if now >= child.not_before:
                child.start(now=now)

    def shut_down(self) -> None:
        """Stop every child: politely at first, then by killing what is left of its group."""
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        for child in self.children:
            if child.process is None:
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            child.kill_group()
            log.info("process.stopped", process=child.name)


def collect_rarely() -> None:
    """
    Keep the garbage collector of this process away from what lives as long as the process.

    Everything that was loaded is set aside, and full collections become rare: each would hold up all that is
    done here for some 70 milliseconds, once a second where thousands of events come, to find next to nothing.
    What loading has freed goes back to the system first, up to 20 MB of a process that serves pages.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
