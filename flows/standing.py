"""This module shows links as people read them: the last values of both sides, and what set each field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from flows import agreements
from flows.agreeing.merging import OWED
from flows.agreeing.sameness import kept
from flows.engine import definition
from flows.engine.definition import InvalidDocument
from flows.models import Deployment, Link, LinkChange
from flows.queries import first_id
from flows.steps import both_ways, registry
from flows.steps.two_way import POLICIES
from integrator import vault
from integrator.kernel.redact import redact

MOST_LOOKED_AT = 2_000  # links that are opened to find an e-mail address
LONGEST = 255


@dataclass(frozen=True, slots=True)
class Value:
    """What one side has, as far as the product knows."""

    path: str
    value: Any

    @property
    def text(self) -> str:
        """Return the value as a person reads it; empty if there is none."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return "" if self.value is None else str(self.value)

    @property
    def tree(self) -> Any:
        """Return the value if it is more than a text."""
        return self.value if isinstance(self.value, Mapping | list) else None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a link: what stands on both sides, and what happens where both change it."""

    name: str
    stripe: Sequence[Value] = ()
    salesforce: Value | None = None
    rule: str = ""
    asked: bool = False  # a person was asked about it
    owed: bool = False  # decided, and not yet written on the other side


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the history."""

    change: LinkChange
    values: Sequence[tuple[str, Value, Value]] = ()  # the field, before and after


@dataclass(frozen=True, slots=True)
class Standing:
    """How a link stands."""

    fields: Sequence[Field] = ()
    unreadable: str = ""


def search(rows: QuerySet[Link], text: str) -> QuerySet[Link]:
    """
    Return those of `rows` that are about `text`: an id of either side, an external id, or an e-mail address.

    Values are sealed, so that an address is looked for only among the links that were made last.
    """
    wanted = text.replace("\0", "").strip()[:LONGEST]
    if not wanted:
        return rows
    if "@" in wanted and not rows.filter(external_id=wanted).exists():
        newest = rows.order_by("-pk").values_list("pk", "pair_id", "agreed", "base")[:MOST_LOOKED_AT]
        return rows.filter(pk__in=[row[0] for row in newest if _has(row, wanted.casefold())])
    record = (
        Q(record_id=wanted) | Q(record_id__startswith=wanted) if len(wanted) in (15, 18) else Q(pk__in=[])
    )
    return rows.filter(Q(stripe_id=wanted) | Q(external_id=wanted) | record)


def of_money(rows: QuerySet[Link], currency: str) -> QuerySet[Link]:
    """Return those of `rows` that count as money in a currency of three letters."""
    return rows.filter(amount__isnull=False, currency__in=[currency.upper(), currency.lower()])


def first_synced_since(rows: QuerySet[Link], since: datetime) -> QuerySet[Link]:
    """Return those of `rows` whose record was first saved at `since` or later."""
    return rows.filter(first_synced_at__gte=since, pk__gte=first_id(Link, "first_synced_at", since))


def _has(row: tuple[Any, ...], wanted: str) -> bool:
    _, pair_id, agreed, base = row
    try:
        known = [*agreements.opened(agreed, pair_id).values()]
        known += (agreements.opened(base, pair_id).get("values") or {}).values()
    except (vault.Unreadable, ValueError):
        return False
    return any(isinstance(value, str) and value.casefold() == wanted for value in known)


def of(link: Link) -> Standing:
    """Return how `link` stands, secrets masked."""
    try:
        base = agreements.opened(link.base, link.pair_id)
        written = agreements.opened(link.agreed, link.pair_id)
    except (vault.Unreadable, ValueError) as failure:
        return Standing(unreadable=str(failure))
    values: dict[str, Any] = base.get("values") or {}
    if not base:
        values = {f"{link.salesforce_object}.{name}": value for name, value in written.items()}
    asked = set((base.get("asked") or {}).get("about") or {}) if link.state != Link.State.AGREED else set()
    return Standing(list(_fields(values, _rules(link), asked)))


def _fields(
    values: Mapping[str, Any], rules: Mapping[str, both_ways.Rule], asked: set[str]
) -> Iterable[Field]:
    shown: dict[str, Any] = redact({path: _shown(value) for path, value in values.items()})
    paired: set[str] = set()
    for about, rule in rules.items():
        known = [path for path in rule.stripe if path in values]
        if about in values or known:
            paired |= {about, *known}
            yield Field(
                about,
                [Value(path, shown[path]) for path in known],
                Value(about, shown[about]) if about in values else None,
                POLICIES[rule.policy],
                about in asked,
                any(values.get(path) == OWED for path in (about, *known)),
            )
    for path in values:
        if path not in paired:
            mine = Value(path, shown[path])
            is_record = path[:1].isupper()
            yield Field(path, () if is_record else [mine], mine if is_record else None, asked=path in asked)


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping) and "sha256" in value:
        return f"{value.get('begin', '')}…"
    return None if value == OWED else kept(value)


def _rules(link: Link) -> dict[str, both_ways.Rule]:
    """Return the rule of each field, by its path in Salesforce, from the flows that are live."""
    kinds = registry.load()
    live = Deployment.objects.filter(pair=link.pair_id, ended_at__isnull=True).select_related("version")
    found: dict[str, both_ways.Rule] = {}
    for deployment in live:
        try:
            document = definition.load(deployment.version.document, kinds=kinds)
        except InvalidDocument:  # a step kind was uninstalled
            continue
        for rule in both_ways.rules_in(document, kinds):
            if rule.salesforce.partition(".")[0] == link.salesforce_object:
                known = found.get(rule.salesforce)
                stripe = tuple(dict.fromkeys((*(known.stripe if known else ()), *rule.stripe)))
                found[rule.salesforce] = both_ways.Rule(
                    rule.step, rule.field, rule.salesforce, stripe, rule.policy
                )
    return found


def history(link: Link, *, values: bool) -> list[Line]:
    """Return the history of `link`, newest first; the values of its lines only if `values`."""
    lines = link.changes.select_related("flow")[: LinkChange.MOST]
    return [Line(change, _before_and_after(change, link.pair_id) if values else ()) for change in lines]


def _before_and_after(change: LinkChange, pair_id: int) -> list[tuple[str, Value, Value]]:
    try:
        told = agreements.opened(change.values, pair_id)
    except (vault.Unreadable, ValueError):
        return []
    found: dict[str, Any] = redact({path: [_shown(one) for one in both] for path, both in told.items()})
    return [
        (path, Value(path, both[0]), Value(path, both[1])) for path, both in found.items() if len(both) == 2
    ]
