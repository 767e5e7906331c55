"""This module is the place with known customers over the database, as `flows.matching` asks it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from flows import bulk
from flows.matching import Frequencies, Normalised
from flows.matching.stores import Shared
from flows.models import Directory, KnownKey, KnownRecord, KnownTerm
from flows.recognising.sealing import Seal
from flows.statements import Given, Select

_KEYS = KnownKey._meta.db_table
# No more rows of a key are read than tell that it has too many records.
_EACH = f"""
SELECT * FROM (SELECT "key", "record_id" FROM "{_KEYS}" WHERE "directory_id" = %s AND "key" = %s LIMIT %s)
"""  # noqa: S608  # names of ours only
_TOGETHER = f"""
SELECT wanted.key, found.record_id FROM unnest(%s::bigint[]) AS wanted(key) CROSS JOIN LATERAL (
    SELECT known.record_id FROM "{_KEYS}" AS known
    WHERE known.directory_id = %s AND known.key = wanted.key LIMIT %s
) AS found
"""  # noqa: S608  # names of ours only
_AT_ONCE = 100  # keys in a statement of SQLite, which takes 500 parts


class DirectoryStore:
    """
    The customers of one directory. Ids are the rows' numbers as text, see `named`.

    Each question is one statement by an index; what was opened is kept for the same look-up.
    """

    def __init__(self, directory: Directory, *, without: Collection[str] = ()) -> None:
        """
        Look at `directory`, as if the records `without` were not there.

        :raises vault.Unreadable: if the key of its salt is lost
        """
        self._directory = directory.pk
        self._seal = Seal(directory)
        self._without = frozenset(without)
        self._opened: dict[str, Normalised | None] = {}
        self.named: dict[str, str] = {}  # the ids of records by the rows' numbers
        self.expected: set[str] = set()  # those whose record is being made

    def sharing(self, keys: Collection[int], *, at_most: int) -> Shared:
        """Return the records that have one of `keys`, without keys that more than `at_most` records have."""
        by_key: dict[int, list[str]] = {}
        hidden = self._seal.hidden(keys)
        for key, record in _sharing(self._directory, list(hidden), at_most + 1):
            by_key.setdefault(hidden[key], []).append(str(record))
        found: dict[str, list[int]] = {}
        for key, ids in by_key.items():
            if len(ids) <= at_most:
                for id in ids:
                    found.setdefault(id, []).append(key)
        return found

    def records(self, ids: Collection[str]) -> Mapping[str, Normalised]:
        """Return the records of `ids`, without those that are gone."""
        unknown = [int(id) for id in ids if id not in self._opened]
        if unknown:
            for pk, name, sealed, expected in _RECORDS.rows(directory=self._directory, ids=unknown):
                self.named[str(pk)] = name
                if expected:
                    self.expected.add(str(pk))
                self._opened[str(pk)] = None if name in self._without else self._seal.open(sealed)
        found = ((id, self._opened.get(id)) for id in ids)
        return {id: norm for id, norm in found if norm is not None}

    def frequencies(self, terms: Collection[int]) -> Frequencies:
        """Return how many records have each of `terms`."""
        hidden = self._seal.hidden(terms)
        rows = _TERMS.rows(directory=self._directory, terms=list(hidden))
        return Frequencies({hidden[term]: number for term, number in rows})


def _records() -> QuerySet[KnownRecord, Any]:
    mine = KnownRecord.objects.filter(directory=Given("directory"))
    wanted = mine.filter(bulk.among("id", Given("ids", "bigint")))
    return wanted.values_list("id", "record_id", "sealed", "expected")


def _terms() -> QuerySet[KnownTerm, Any]:
    mine = KnownTerm.objects.filter(directory=Given("directory"))
    return mine.filter(bulk.among("term", Given("terms", "bigint"))).values_list("term", "number")


# To write a statement takes Django several times as long as the database to answer it.
_RECORDS, _TERMS = Select(_records), Select(_terms)


def _sharing(directory: int, keys: list[int], most: int) -> list[tuple[int, int]]:
    if not keys:
        return []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_TOGETHER, [keys, directory, most])
            return list(cursor.fetchall())
        found: list[tuple[int, int]] = []
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            cursor.execute(" UNION ALL ".join([_EACH] * len(some)), _told(directory, some, most))
            found += cursor.fetchall()
        return found


def _told(directory: int, keys: list[int], most: int) -> list[int]:
    return [number for key in keys for number in (directory, key, most)]
