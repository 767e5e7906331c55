"""This module adds records to a directory, changes them and takes them out, many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from flows import bulk
from flows.matching import Normalised, block_keys, terms
from flows.models import Directory, KnownKey, KnownRecord, KnownTerm
from flows.recognising.sealing import Seal

CHUNK = 50  # records in a transaction: some 2,000 rows. SQLite has one writer, who must be quick
SOON = timedelta(seconds=10)  # after which a record that is being made is likely to be there
LATER = timedelta(
    minutes=1
)  # after which changes that were told are read: a call each, however many they are

_RECORD = ("directory_id", "record_id", "sealed", "stamp", "generation", "expected")
_SAME_RECORD = """
(directory_id, record_id) DO UPDATE SET sealed = excluded.sealed, stamp = excluded.stamp,
    generation = excluded.generation, expected = excluded.expected
"""
_SAME_TERM = (
    f'(directory_id, term) DO UPDATE SET number = "{KnownTerm._meta.db_table}".number + excluded.number'
)


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it was read."""

    id: str
    norm: Normalised
    stamp: datetime


@contextmanager
def alone(directory: Directory) -> Iterator[None]:
    """
    Let nobody else write to a directory until the transaction ends that begins here; be quick.

    The walk, events and workers write to it: what each of them counts builds on what is there.
    """
    with transaction.atomic():
        mine = Directory.objects.filter(pk=directory.pk).order_by()
        list(mine.select_for_update(no_key=True).values_list("pk", flat=True))
        yield


def keep(directory: Directory, found: Sequence[Found], *, expected: bool = False) -> None:
    """
    Keep records in place of what was kept of them before, in small transactions.

    Records that are `expected` are not counted among the others.

    :raises vault.Unreadable: if the key of the directory's salt is lost
    """
    seal = Seal(directory)
    newest = {one.id: one for one in found}
    ahead = list(newest.values())
    for start in range(0, len(ahead), CHUNK):
        _keep(directory, seal, ahead[start : start + CHUNK], expected=expected)


def _keep(directory: Directory, seal: Seal, some: Sequence[Found], *, expected: bool) -> None:
    rows = [
        (directory.pk, one.id, seal.close(one.norm), one.stamp, directory.generation, expected)
        for one in some
    ]
    with alone(directory):
        counts = _taken_out(directory, seal, [one.id for one in some])
        bulk.insert(KnownRecord, _RECORD, rows, conflict=_SAME_RECORD, order_by=("record_id",))
        mine = KnownRecord.objects.filter(bulk.among("record_id", [one.id for one in some]))
        ids = dict(mine.filter(directory=directory).values_list("record_id", "id"))
        keys = [(directory.pk, key, ids[one.id]) for one in some for key in seal.hidden(block_keys(one.norm))]
        bulk.insert(KnownKey, ("directory_id", "key", "record_id"), keys, conflict="DO NOTHING")
        if not expected:
            counts.update(_terms(seal, (one.norm for one in some)))
        _count(directory, counts)


def forget(directory: Directory, ids: Collection[str]) -> int:
    """Take records out, and return how many were there; in small transactions."""
    seal, ahead, gone = Seal(directory), sorted(set(ids)), 0
    for start in range(0, len(ahead), CHUNK):
        some = ahead[start : start + CHUNK]
        with alone(directory):
            _count(directory, _taken_out(directory, seal, some))
            rows = KnownRecord.objects.filter(bulk.among("record_id", some), directory=directory)
            gone += rows.delete()[0]
    return gone


def _taken_out(directory: Directory, seal: Seal, ids: Sequence[str]) -> Counter[int]:
    """Delete the keys of records, and return by how much their terms are fewer."""
    rows = KnownRecord.objects.filter(bulk.among("record_id", list(ids)), directory=directory)
    known = list(rows.values_list("id", "sealed", "expected"))
    if not known:
        return Counter()
    keys = KnownKey.objects.filter(bulk.among("record_id", [pk for pk, _, _ in known]))
    keys.delete()
    opened = (seal.open(sealed) for _, sealed, expected in known if not expected)
    counts: Counter[int] = Counter()
    counts.subtract(_terms(seal, (norm for norm in opened if norm is not None)))
    return counts


def _terms(seal: Seal, norms: Iterable[Normalised]) -> Counter[int]:
    return Counter(term for norm in norms for term in seal.hidden(terms(norm)))


def _count(directory: Directory, counts: Counter[int]) -> None:
    rows = sorted((directory.pk, term, number) for term, number in counts.items() if number)
    bulk.insert(KnownTerm, ("directory_id", "term", "number"), rows, conflict=_SAME_TERM, order_by=("term",))
    fewer = [term for _, term, number in rows if number < 0]
    if fewer:
        gone = KnownTerm.objects.filter(bulk.among("term", fewer), directory=directory, number__lte=0)
        gone.delete()


def refresh(directory: Directory, ids: Collection[str]) -> None:
    """Say of records that were read anew, and are as they were, that this generation has read them."""
    rows = KnownRecord.objects.filter(bulk.among("record_id", list(ids)), directory=directory)
    rows.update(generation=directory.generation)


def wake(directory: Directory, *, at: datetime) -> None:
    """Let a directory be read on as early as `at`: something has changed there."""
    Directory.objects.filter(pk=directory.pk, due_at__gt=at, attempts=0).update(due_at=at)


def expect(directory: Directory, found: Sequence[Found], *, now: datetime) -> None:
    """Know customers whose records are being made, until those have been read."""
    keep(directory, found, expected=True)
    wake(directory, at=now + SOON)


def forget_all(directory: Directory, *, at_once: int = 500) -> bool:
    """Delete up to so many rows of a directory, and itself behind the last; tell whether it is gone."""
    for model in (KnownKey, KnownRecord, KnownTerm):
        rows = model._default_manager.filter(directory=directory)
        ids = list(rows.values_list("id", flat=True)[:at_once])
        if ids:
            model._default_manager.filter(bulk.among("id", ids)).delete()
            return False
    directory.delete()
    return True


def counted(directory: Directory) -> int:
    """Return how many records are known; both numbers are counted in indexes, with a million records too."""
    rows = KnownRecord.objects.filter(directory=directory)
    return rows.count() - rows.filter(expected=True).count()


def outdated(directory: Directory, at_most: int) -> list[str]:
    """Return records that an older generation has read, and this one has not found any more."""
    rows = KnownRecord.objects.filter(directory=directory, expected=False)
    older = rows.filter(generation__lt=F("directory__generation"))
    return list(older.values_list("record_id", flat=True)[:at_most])


def over(directory: Directory, before: datetime) -> list[str]:
    """Return what was expected before then."""
    rows = KnownRecord.objects.filter(directory=directory, expected=True, stamp__lt=before)
    return list(rows.values_list("record_id", flat=True))
