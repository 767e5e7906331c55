"""This module sends prepared requests over keep-alive connections, from a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

RETRY_AFTER = 0.5  # seconds until what was not acknowledged is sent again, as Stripe would


@dataclass(frozen=True)
class Plan:
    """What to send, and how."""

    port: int
    requests: Sequence[bytes]
    lines: int = 64
    rate: float | None = None  # events a second; None: as fast as answers come
    seconds: float | None = None  # when to stop although something is left
    around: bool = False  # begin anew when all are sent
    insist: bool = False  # send again whatever was not answered 200, for as long as it takes


@dataclass
class Report:
    """What came back."""

    begun: float = 0.0
    ended: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0  # lines that ended before the answer
    acknowledged: dict[int, float] = field(default_factory=dict)  # position -> when, by the wall clock
    latencies: list[float] = field(default_factory=list)  # of the acknowledged, from when they were due

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.begun

    def latency(self, part: float) -> float:
        """Return the latency that a `part` of the acknowledgements stayed below, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1_000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


class _Line(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.sent: tuple[int, float] | None = None
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self.load.free(self)

    def send(self, position: int, due: float) -> None:
        assert self.transport is not None
        self.sent = (position, due)
        self.transport.write(self.load.plan.requests[position % len(self.load.plan.requests)])

    def data_received(self, data: bytes) -> None:
        if self.sent is None:  # a goodbye: servers close what has been idle for long
            self.answer = b""
            return
        self.answer += data
        head, found, rest = self.answer.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"content-length:")
        if len(rest) < int(length.split(b"\r\n", 1)[0] or 0):
            return
        status = int(self.answer[9:12])
        self.answer = b""
        sent, self.sent = self.sent, None
        assert sent is not None
        self.load.answered(status, *sent)
        if b"connection: close" not in head.lower():
            self.load.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost(self)


class _Load:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.report = Report()
        self.idle: deque[_Line] = deque()
        self.due: deque[tuple[int, float]] = deque()
        self.next = 0
        self.under_way = 0
        self.over = asyncio.Event()

    async def run(self) -> Report:
        self.report.begun = time.time()
        begun = time.monotonic()
        openings = [asyncio.create_task(self._keep_open()) for _ in range(self.plan.lines)]
        clock = asyncio.create_task(self._clock(begun))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), self.plan.seconds)
        self.report.ended = time.time()
        for task in (*openings, clock):
            task.cancel()
        return self.report

    async def _keep_open(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, line = await loop.create_connection(lambda: _Line(self), "127.0.0.1", self.plan.port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            while line.transport is not None and not line.transport.is_closing():
                await asyncio.sleep(0.2)

    async def _clock(self, begun: float) -> None:
        """Let requests fall due at the rate that was asked for."""
        total = len(self.plan.requests)
        while self.plan.rate:
            wanted = int((time.monotonic() - begun) * self.plan.rate) + 1
            while self.next < wanted and (self.plan.around or self.next < total):
                self.due.append((self.next, begun + self.next / self.plan.rate))
                self.next += 1
            self._match()
            await asyncio.sleep(0.002)

    def free(self, line: _Line) -> None:
        self.idle.append(line)
        self._match()

    def lost(self, line: _Line) -> None:
        line.transport = None
        if line in self.idle:
            self.idle.remove(line)
        if line.sent is not None:
            self.report.broken += 1
            self._again(*line.sent)

    def _again(self, position: int, due: float) -> None:
        self.under_way -= 1
        if self.plan.insist:
            self.under_way += 1
            asyncio.get_running_loop().call_later(RETRY_AFTER, self._requeue, position, due)
        self._finish()

    def _requeue(self, position: int, due: float) -> None:
        self.under_way -= 1
        self.due.append((position, due))
        self._match()

    def answered(self, status: int, position: int, due: float) -> None:
        self.report.statuses[status] += 1
        if status != 200:
            self._again(position, due)
            return
        self.under_way -= 1
        self.report.acknowledged.setdefault(position, time.time())
        self.report.latencies.append(time.monotonic() - due)
        self._finish()

    def _match(self) -> None:
        """Give every idle line something to send."""
        total = len(self.plan.requests)
        while self.idle:
            if self.due:
                position, due = self.due.popleft()
            elif self.plan.rate is None and (self.plan.around or self.next < total):
                position, due = self.next, time.monotonic()
                self.next += 1
            else:
                return
            line = self.idle.popleft()
            if line.transport is None or line.transport.is_closing():
                self.due.appendleft((position, due))
                continue
            self.under_way += 1
            line.send(position, due)

    def _finish(self) -> None:
        nothing_left = self.next >= len(self.plan.requests) and not self.plan.around
        if nothing_left and not self.due and not self.under_way:
            self.over.set()


async def _run(plan: Plan) -> Report:
    return await _Load(plan).run()


def _in_process(plan: Plan, results: multiprocessing.SimpleQueue[Report]) -> None:
    results.put(uvloop.run(_run(plan)))


class Sending:
    """A load under way."""

    def __init__(self, plan: Plan) -> None:
        spawn = multiprocessing.get_context("fork")
        self._results = spawn.SimpleQueue()
        self._process = spawn.Process(target=_in_process, args=(plan, self._results), daemon=True)
        self._process.start()

    def report(self) -> Report:
        """Wait for the end and return what came back."""
        report: Report = self._results.get()
        self._process.join()
        return report


def send(plan: Plan) -> Report:
    """Send everything and return what came back."""
    return Sending(plan).report()
