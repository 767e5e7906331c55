"""This module answers with a list as a CSV file that is sent while it is read, however long it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse

from integrator.accounts import audit
from integrator.accounts.access import Scope
from integrator.kernel.cells import MARK, Cell, line
from integrator.kernel.money import UnknownCurrency, to_major
from integrator.web import LARGEST_ID, Reader, beyond

M = TypeVar("M", bound=Model)

MOST = 50_000  # rows of a file
AT_ONCE = 500  # rows that are read and sent together
CUT = f"Not all: a file ends after {MOST:,} rows. Narrow the list to get the others."


def rows_of(rows: QuerySet[M], read: Reader[M] = beyond) -> Iterator[list[M]]:
    """Read `rows`, newest first, some at a time, and at most one more than a file takes."""
    start, left = LARGEST_ID, MOST + 1
    while left > 0:
        most = min(AT_ONCE, left)
        found, reached = read(rows, start, False, most)
        yield found
        left -= len(found)
        if len(found) == most:
            start = found[-1].pk
        elif reached is None:
            return
        else:
            start = reached  # it was not looked further than that yet


def money_of(amount: int | None, currency: str) -> tuple[Cell, Cell]:
    """Return an amount in major units and its currency; in minor units where its decimals are not known."""
    if amount is None or not currency:
        return None, None
    code = currency.upper()
    try:
        return to_major(amount, code), code
    except UnknownCurrency:
        return amount, f"{code}, minor units"


def download(
    *,
    name: str,
    head: Sequence[str],
    chunks: Iterable[Sequence[Sequence[Cell]]],
    scope: Scope,
    narrowed: Mapping[str, str],
    now: datetime,
) -> StreamingHttpResponse:
    """
    Answer with the rows of `chunks` below `head` as a file, and note in the audit trail who has it.

    `narrowed` is what the list was narrowed to. A file that is cut says so in its last line.
    """
    with transaction.atomic():
        audit.record(
            workspace=scope.workspace,
            actor=scope.actor,
            action="list.downloaded",
            target=name,
            details={"environment": scope.environment.slug if scope.environment else "", **narrowed},
            now=now,
        )
    answer = StreamingHttpResponse(_sent(_written(head, chunks)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}-{now:%Y-%m-%d-%H%M}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def _written(head: Sequence[str], chunks: Iterable[Sequence[Sequence[Cell]]]) -> Iterator[bytes]:
    yield (MARK + line(head)).encode()
    left = MOST
    for chunk in chunks:
        yield "".join(map(line, chunk[:left])).encode("utf-8", "replace")
        if len(chunk) > left:
            yield line([CUT]).encode()
            return
        left -= len(chunk)


async def _sent(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read the next part in the thread of the request whenever the last one is on its way."""
    following = sync_to_async(_next_of, thread_sensitive=True)
    while (part := await following(parts)) is not None:
        if part:
            yield part


def _next_of(parts: Iterator[bytes]) -> bytes | None:
    return next(parts, None)
