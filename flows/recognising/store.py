"""This module is the place with known customers over the database, as `flows.matching` asks it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from flows import arrays, bulk
from flows.matching import Frequencies, Normalised
from flows.matching.stores import Shared
from flows.models import Directory, KnownKey, KnownRecord, KnownTerm
from flows.recognising.sealing import Seal
from flows.statements import Given, Row, Select

_KEYS = KnownKey._meta.db_table
# Of each key one row comes back, with the ids of its records in one text, and of one that has too many none;
# no more of its records are read than tell that.
_IDS = {
    "sqlite": f"""
SELECT wanted.value, (
    SELECT CASE WHEN COUNT(*) <= %(most)s THEN GROUP_CONCAT(known.record_id) END FROM (
        SELECT record_id FROM "{_KEYS}"
        WHERE directory_id = %(directory)s AND key = wanted.value LIMIT %(most)s + 1
    ) AS known
) FROM json_each(%(keys)s) AS wanted
""",  # noqa: S608  # names of ours only
    "postgresql": f"""
SELECT wanted.key, found.ids FROM unnest(%(keys)s::bigint[]) AS wanted(key) CROSS JOIN LATERAL (
    SELECT CASE WHEN count(*) <= %(most)s THEN string_agg(known.record_id::text, ',') END AS ids FROM (
        SELECT record_id FROM "{_KEYS}"
        WHERE directory_id = %(directory)s AND key = wanted.key LIMIT %(most)s + 1
    ) AS known
) AS found
""",  # noqa: S608  # names of ours only
}


class DirectoryStore:
    """
    The customers of one directory. Ids are the rows' numbers as text, see `named`.

    Each question is one statement by an index; what was answered is kept for the same look-up.
    """

    def __init__(
        self, directory: Directory, *, without: Collection[str] = (), seal: Seal | None = None
    ) -> None:
        """
        Look at `directory`, as if the records `without` were not there; with its `seal`, if it is open.

        :raises vault.Unreadable: if the key of its salt is lost
        """
        self._directory = directory.pk
        self._seal = seal or Seal(directory)
        self._without = frozenset(without)
        self._opened: dict[str, Normalised | None] = {}
        self._counts: dict[int, int] = {}
        self.named: dict[str, str] = {}  # the ids of records by the rows' numbers
        self.expected: set[str] = set()  # those whose record is being made

    def sharing(self, keys: Collection[int], *, at_most: int) -> Shared:
        """Return the records that have each of `keys`, without keys that more than `at_most` records have."""
        hidden = self._seal.hidden(keys)
        rows = _ids(self._directory, list(hidden), at_most) if hidden else ()
        return {hidden[key]: ids.split(",") for key, ids in rows if ids}

    def records(self, ids: Collection[str]) -> Mapping[str, Normalised]:
        """Return the records of `ids`, without those that are gone."""
        unknown = [int(id) for id in ids if id not in self._opened]
        if unknown:
            self._open(_RECORDS.rows(directory=self._directory, ids=unknown))
        found = ((id, self._opened.get(id)) for id in ids)
        return {id: norm for id, norm in found if norm is not None}

    def _open(self, rows: Sequence[Row]) -> None:
        self.named.update((str(pk), name) for pk, name, _, _ in rows)
        self.expected.update(str(pk) for pk, _, _, expected in rows if expected)
        self._opened.update((str(pk), None) for pk, _, _, _ in rows)
        compared = {str(pk): sealed for pk, name, sealed, _ in rows if name not in self._without}
        self._opened.update(zip(compared, self._seal.open_many(list(compared.values())), strict=True))

    def frequencies(self, terms: Collection[int]) -> Frequencies:
        """Return how many records have each of `terms`."""
        hidden = self._seal.hidden([term for term in terms if term not in self._counts])
        if hidden:
            self._counts.update(dict.fromkeys(hidden.values(), 0))
            rows = _TERMS.rows(directory=self._directory, terms=list(hidden))
            self._counts.update((hidden[term], number) for term, number in rows)
        return Frequencies({term: self._counts[term] for term in terms})


def _records() -> QuerySet[KnownRecord, Any]:
    mine = KnownRecord.objects.filter(directory=Given("directory"))
    wanted = mine.filter(bulk.among("id", Given("ids", "bigint")))
    return wanted.values_list("id", "record_id", "sealed", "expected")


def _terms() -> QuerySet[KnownTerm, Any]:
    mine = KnownTerm.objects.filter(directory=Given("directory"))
    return mine.filter(bulk.among("term", Given("terms", "bigint"))).values_list("term", "number")


# To write a statement takes Django several times as long as the database to answer it.
_RECORDS, _TERMS = Select(_records), Select(_terms)


def _ids(directory: int, keys: list[int], most: int) -> list[Row]:
    """Return keys with the ids of their records, in one text with commas; none of keys that have too many."""
    told = json.dumps(keys) if connection.vendor == "sqlite" else arrays.literal(keys, "bigint")
    with connection.cursor() as cursor:
        cursor.execute(_IDS[connection.vendor], {"directory": directory, "keys": told, "most": most})
        rows: list[Row] = cursor.fetchall()
    return rows
