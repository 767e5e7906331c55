"""This module answers whether customers are known, for one batch of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from flows.matching import (
    Alike,
    Answered,
    Candidate,
    Customer,
    Decision,
    Finding,
    InMemoryStore,
    Kind,
    Likeness,
    Normalised,
    Policy,
    find,
    findings,
    looked_at,
    normalise,
)
from flows.matching.answers import KEY, LIKENESS, PERSON
from flows.matching.finding import LINKED
from flows.models import Directory
from flows.recognising import deciding, keeping, opening, rules
from flows.recognising.keeping import Found
from flows.recognising.sealing import Seal
from flows.recognising.store import DirectoryStore
from integrator import vault

EXPECTED_FOR = timedelta(minutes=3)  # a record that is being made: by then it has been read
AT_ONCE = 20  # new customers that are looked for once more while other workers wait
_UNREAD = Likeness(Answered.UNREAD)


def alike(
    connection_id: int, object_: str, customers: Sequence[Customer], *, now: datetime, expecting: bool
) -> list[Likeness]:
    """
    Return for each customer whether it is a record of `object_` that is known, in their order.

    Those that are new are expected from now on if `expecting`: a customer that is like them waits until
    their records have been read. Without it nothing is written. Customers may tell external keys, by the
    names of fields: who does is not known before those have been read of all records.
    """
    if not customers:
        return []
    wanted = _keys_of(customers)
    rows = Directory.objects.filter(connection=connection_id, object=object_)
    directory = rows.select_related("connection").first()
    if directory is None and expecting:
        opening.begin(connection_id, object_, now=now)
    if directory is not None and expecting:
        opening.widen(directory, wanted, now=now)
    if directory is None or directory.complete_at is None or (expecting and not directory.is_fresh(now)):
        return [_UNREAD for _ in customers]
    ready = [one for one in customers if _keys_of([one]) <= set(directory.keys_read)]
    try:
        answers = iter(_Asking(directory, ready, now).answers(expecting=expecting) if ready else ())
    except vault.Unreadable:
        return [_UNREAD for _ in customers]
    return [next(answers) if _keys_of([one]) <= set(directory.keys_read) else _UNREAD for one in customers]


def _keys_of(customers: Sequence[Customer]) -> set[str]:
    """Return the names of the external keys that any of `customers` tells."""
    told = (customer.fields.get("external") for customer in customers)
    return {str(name) for keys in told if isinstance(keys, Mapping) for name in keys}


class _Asking:
    """One batch of customers, and one directory."""

    def __init__(self, directory: Directory, customers: Sequence[Customer], now: datetime) -> None:
        self._directory = directory
        self._customers = customers
        self._now = now
        self._policy = rules.of(directory.connection.environment_id)
        self._seal = Seal(directory)
        self._past = deciding.known(directory, [customer.id for customer in customers])
        self._together = InMemoryStore()  # the new ones of this batch
        self._new: dict[int, Found] = {}

    def answers(self, *, expecting: bool) -> list[Likeness]:
        found = [self._answer(place, customer) for place, customer in enumerate(self._customers)]
        ahead = list(self._new) if expecting else []
        for start in range(0, len(ahead), AT_ONCE):
            self._expect(found, ahead[start : start + AT_ONCE])
        apart = [tuple(sorted(self._apart(customer.id))) for customer in self._customers]
        return [replace(one, apart=ids) if ids else one for one, ids in zip(found, apart, strict=True)]

    def _expect(self, answers: list[Likeness], places: Sequence[int]) -> None:
        """
        Expect those that are new, unless somebody has come to be known since they were looked for.

        Other workers wait meanwhile: of two that look at one instant the second one finds the first.
        """
        with keeping.alone(self._directory):
            for place in places:
                answers[place] = self._looked_for(self._customers[place].id, self._new[place].norm)
            new = [self._new[place] for place in places if answers[place].answered is Answered.NEW]
            if new:
                keeping.expect(self._directory, new, now=self._now)

    def _answer(self, place: int, customer: Customer) -> Likeness:
        past = self._past.get(customer.id, {})
        same = next((record for record, is_same in past.items() if is_same), "")
        if same:
            return Likeness(Answered.SAME, (Alike(same, LINKED),), by=PERSON)
        norm = normalise(customer.fields)
        told = self._looked_for(customer.id, norm)
        return self._as_new(place, customer, norm) if told.answered is Answered.NEW else told

    def _looked_for(self, customer: str, norm: Normalised) -> Likeness:
        without = {customer, *self._apart(customer)}
        store = DirectoryStore(self._directory, without=without, seal=self._seal)
        return _told(norm, store, find(norm, store, policy=self._policy), self._policy)

    def _apart(self, customer: str) -> set[str]:
        """Return the records of which people said that they are not this customer."""
        return {record for record, is_same in self._past.get(customer, {}).items() if not is_same}

    def _as_new(self, place: int, customer: Customer, norm: Normalised) -> Likeness:
        """Return that a customer is new, unless another one of this batch is like it."""
        others = find(norm, self._together, policy=self._policy)
        if others.kind != Kind.NEW and others.candidates[0].id != customer.id:
            return Likeness(Answered.EXPECTED, (Alike(others.candidates[0].id, others.candidates[0].score),))
        self._together.add(customer.id, norm)
        self._new[place] = Found(customer.id, norm, self._now)
        return Likeness(Answered.NEW)


def _told(norm: Normalised, store: DirectoryStore, decision: Decision, policy: Policy) -> Likeness:
    asked: Mapping[str, object] = {"auto": policy.auto, "margin": policy.margin, "review": policy.review}
    real = [one for one in decision.candidates if one.id not in store.expected]
    expected = [one for one in decision.candidates if one.id in store.expected]
    if expected and (not real or decision.by_key or expected[0].score > real[0].score):
        first = expected[0]
        return Likeness(Answered.EXPECTED, (Alike(store.named[first.id], first.score),))
    if not real:
        return Likeness(Answered.NEW)
    candidates = tuple(_candidate(one, norm, store) for one in real)
    if decision.kind == Kind.AUTO:
        by = KEY if decision.by_key else LIKENESS
        return Likeness(Answered.SAME, candidates[:1], by=by, asked=asked)
    beyond = () if decision.beyond is None else (decision.beyond,)
    besides = tuple(_findings(one, norm, store) for one in (*expected, *beyond))
    return Likeness(Answered.PERHAPS, candidates, asked=asked, besides=besides)


def _candidate(one: Candidate, norm: Normalised, store: DirectoryStore) -> Alike:
    return Alike(store.named[one.id], one.score, one.waterfall, _findings(one, norm, store), one.veto)


def _findings(one: Candidate, norm: Normalised, store: DirectoryStore) -> tuple[Finding, ...]:
    other = store.records([one.id])[one.id]
    return tuple(findings(norm, other, store.frequencies(looked_at(norm, [other]))))
