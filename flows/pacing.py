"""
This module gives turns, and knows the last of many runs, for all workers alike.

Each question is one statement of its own, whatever the number of runs: the database's lock on a row decides
between workers that come at the same moment, and what was answered stands before anybody acts by it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from flows.engine.pacing import Calm, Member, Pace, Standing
from integrator.kernel import canonical

_MS = timedelta(milliseconds=1)

# In both, `g` is the row before the statement and `excluded` what a new row would be, whose first time is
# now. What is in braces is filled with whole numbers and the database's own names for two functions, never
# with what a run says. Divisions are those of whole numbers.

# A gate whose periods are over begins anew.
_TURNS = """
INSERT INTO flows_gate AS g (flow_id, pair_id, "key", began, taken, given, ends)
SELECT {flow}, {pair}, "key", {now}, number, number, {now} + {period} * ((number + {most} - 1) / {most})
FROM {wanted} WHERE true ORDER BY "key"
ON CONFLICT (flow_id, pair_id, "key") DO UPDATE SET
    began = CASE WHEN g.ends <= {now} THEN {now} ELSE g.began END,
    taken = CASE WHEN g.ends <= {now} THEN excluded.taken ELSE g.taken + {grant} END,
    given = CASE WHEN g.ends <= {now} THEN excluded.given ELSE {grant} END,
    ends = CASE WHEN g.ends <= {now} THEN excluded.ends
        ELSE g.began + {period} * ((g.taken + {grant} + {most} - 1) / {most}) END
RETURNING "key", began, taken, given
"""
_GRANT = (
    "{greatest}(0, {least}(excluded.given, {most} * (({now} - g.began) / {period} + 1 + {ahead}) - g.taken))"
)

# A burst is over when its last has passed. Who comes then begins the next one: whoever was not in the one
# that is over, and whoever is later than its last.
_BURSTS = """
INSERT INTO flows_burst AS g (flow_id, pair_id, "key", "last", since, due, members, passed)
SELECT {flow}, {pair}, "key", rank, {now}, {now} + {least}({quiet}, {longest}), number, false
FROM {wanted} WHERE true ORDER BY "key"
ON CONFLICT (flow_id, pair_id, "key") DO UPDATE SET
    "last" = CASE WHEN {anew} OR excluded."last" > g."last" AND NOT g.passed
        THEN excluded."last" ELSE g."last" END,
    since = CASE WHEN {anew} THEN excluded.since ELSE g.since END,
    due = CASE WHEN {anew} THEN excluded.due ELSE {due} END,
    members = CASE WHEN {anew} THEN excluded.members
        WHEN g.passed OR {counted} OR excluded."last" = g."last" THEN g.members
        ELSE g.members + excluded.members END,
    passed = CASE WHEN {anew} THEN false WHEN excluded."last" < g."last" THEN g.passed
        ELSE g.passed OR {due} <= {now} END
RETURNING "key", "last", due, members, passed
"""
_DUE = (
    'CASE WHEN excluded."last" > g."last" AND NOT g.passed '
    "THEN {least}({now} + {quiet}, g.since + {longest}) ELSE g.due END"
)
_ANEW = {  # by whether they joined before
    False: '(g.passed AND excluded."last" <> g."last")',
    True: '(g.passed AND excluded."last" > g."last")',
}


class Place(NamedTuple):
    """Whose runs are counted together: those of a step of one flow on one pair."""

    flow_id: int
    pair_id: int
    step: str


def turns(place: Place, keys: Sequence[str], pace: Pace, *, now: datetime) -> list[datetime | None]:
    """
    Return from when on each of `keys` may pass, in their order; None for whom no turn is left.

    Every turn that is given counts, even if nobody makes use of it.
    """
    period = max(_ms_of(pace.period), 1)
    hashed = {key: _hash(place.step, pace.limit, period, pace.ahead, key) for key in dict.fromkeys(keys)}
    counts = Counter(keys)
    most = pace.limit * (1 + pace.ahead)
    numbers: dict[str, Any] = {
        "flow": place.flow_id, "pair": place.pair_id, "now": _ms_at(now), "period": period,
        "most": pace.limit, "ahead": pace.ahead,
    }  # fmt: skip
    wanted = [(hashed[key], "", min(count, most)) for key, count in counts.items()]
    rows = _run(_TURNS.replace("{grant}", _GRANT), numbers, wanted)
    given = {row[0]: iter(_moments(row, pace.limit, period)) for row in rows}
    return [next(given[hashed[key]], None) for key in keys]


def _moments(row: Sequence[Any], limit: int, period: int) -> list[datetime]:
    _, began, taken, given = row
    return [_at(began + number // limit * period) for number in range(taken - given, taken)]


def bursts(place: Place, members: Sequence[Member], calm: Calm, *, now: datetime) -> list[Standing]:
    """Let `members` come to where only the last goes on, and return how each of them stands, in order."""
    quiet, longest = _ms_of(calm.quiet), _ms_of(calm.longest)
    base: dict[str, Any] = {
        "flow": place.flow_id, "pair": place.pair_id, "now": _ms_at(now), "quiet": quiet, "longest": longest,
    }  # fmt: skip
    found: dict[str, tuple[str, int, int, bool]] = {}
    for joined in (False, True):
        ours = [member for member in members if member.joined is joined]
        counts = Counter(member.key for member in ours)
        last = {key: max(member.rank for member in ours if member.key == key) for key in counts}
        wanted = [(_hash(place.step, key), last[key], count) for key, count in counts.items()]
        text = _BURSTS.replace("{due}", _DUE).replace("{anew}", _ANEW[joined])
        counted = text.replace("{counted}", "true" if joined else "false")
        found |= {row[0]: (row[1], row[2], row[3], bool(row[4])) for row in _run(counted, base, wanted)}
    return [_standing(member, found[_hash(place.step, member.key)]) for member in members]


def _standing(member: Member, row: tuple[str, int, int, bool]) -> Standing:
    last, due, count, passed = row
    return Standing(last == member.rank, last == member.rank and passed, _at(due), count)


def _run(
    text: str, numbers: Mapping[str, Any], wanted: Sequence[tuple[str, str, int]]
) -> list[Sequence[Any]]:
    """Run one statement over the rows that are `wanted`: key, rank and number."""
    if not wanted:
        return []
    if connection.vendor == "postgresql":
        source = 'unnest(%s::text[], %s::text[], %s::bigint[]) AS wanted("key", rank, number)'
        given: list[Any] = [list(column) for column in zip(*wanted, strict=True)]
        names = {"least": "LEAST", "greatest": "GREATEST"}
    else:
        parts = ("key", "rank", "number")
        columns = ", ".join(f"json_extract(value, '$[{at}]') AS \"{name}\"" for at, name in enumerate(parts))
        source, given = f"(SELECT {columns} FROM json_each(%s))", [json.dumps(wanted)]  # noqa: S608  # names of ours only
        names = {"least": "min", "greatest": "max"}
    filled = text.format(**numbers, **names, wanted=source)
    with connection.cursor() as cursor:
        cursor.execute(filled, given)
        rows: list[Sequence[Any]] = cursor.fetchall()
    return rows


def _hash(*parts: Any) -> str:
    return canonical.fingerprint(list(parts))


def _ms_of(span: timedelta) -> int:
    return span // _MS


def _ms_at(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC) + (ms % 1000) * _MS
