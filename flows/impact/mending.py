"""This module works out what would mend a line, and keeps of it only what the checks let pass."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice, takewhile
from typing import Any

from flows.designing import applying, edits, tree
from flows.designing.applying import Workshop
from flows.designing.edits import InvalidEdit
from flows.designing.tree import Refused
from flows.impact import proposals, repathing
from flows.impact.gathering import Desk, Matter
from flows.impact.swapping import swapped
from flows.impact.told import Mend, ParentLine
from flows.mapping.issues import Issue, errors_in
from flows.steps import registry

MOST = 3  # mends of one line
_TRIED = 6  # that are checked for one line
SECONDS = 10.0  # for those of one document: each is checked with the whole of it

Settings = Mapping[str, Mapping[str, Any]]


class Bench:
    """Where the mends of one document are made and checked."""

    def __init__(self, desk: Desk, *, seconds: float = SECONDS) -> None:
        self._ends = time.monotonic() + seconds
        self._desk = desk
        self._kinds = registry.load()

    def mends(self, matter: Matter) -> list[Mend]:
        """
        Return what would mend `matter`, the best first; after each of them less is wrong than before.

        When the time is over there is nothing more.
        """
        make = repathing.mends if matter.system == "stripe" else proposals.mends
        made = takewhile(lambda _: time.monotonic() < self._ends, make(matter, self._desk))
        tried = islice(made, _TRIED)
        whole = (with_swaps(mend, self._desk.uses.settings) for mend in tried)
        return _named(islice((mend for mend in whole if self._holds(mend, matter)), MOST))

    def _holds(self, mend: Mend, matter: Matter) -> bool:
        """Tell whether the flow with `mend` has the matter no more, and no error that it has not now."""
        taken = set(tree.ids(self._desk.document["steps"]))
        try:
            sent = edits.read(mend.edits)
            made = applying.make(self._desk.document, sent, Workshop(self._kinds, taken))
        except (Refused, InvalidEdit):
            return False
        after = self._desk.check(made.document, objects=self._desk.crm.now)
        left = any(issue in after for issue in matter.issues)
        return not left and all(issue in self._standing for issue in errors_in(after))

    @cached_property
    def _standing(self) -> list[Issue]:
        """What the checks say of the document as it is."""
        return errors_in(self._desk.check(self._desk.checked, objects=self._desk.crm.now))


def _named(mends: Iterable[Mend]) -> list[Mend]:
    """Return `mends` with a name of its own for each."""
    found: list[Mend] = []
    for mend in mends:
        same = sum(one.name.partition(":")[0] == mend.name for one in found)
        found.append(replace(mend, name=f"{mend.name}:{same + 1}") if same else mend)
    return found


def with_swaps(mend: Mend, settings: Settings) -> Mend:
    """Return `mend` with the edits that its swaps come to, given the settings of the steps."""
    return replace(mend, edits=[*mend.edits, *swaps([mend], settings)])


def together(mends: Sequence[Mend], settings: Settings) -> list[dict[str, Any]]:
    """Return the edits of several mends as one list: swaps in one step's settings become one edit."""
    lines = [edit for mend in mends for edit in mend.edits if edit["edit"] != "set_settings"]
    return [*_once(lines), *swaps(mends, settings)]


def swaps(mends: Sequence[Mend], settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield one edit for each step in whose settings `mends` change something."""
    changed: dict[str, Any] = {}
    for mend in mends:
        for one in mend.within:
            changed[one.step] = _in_parent(changed.get(one.step, settings[one.step]), one)
        for step, old, new in mend.swaps:
            changed[step] = swapped(changed.get(step, settings[step]), old, new)
    for step, after in changed.items():
        if after != settings[step]:
            yield {"edit": "set_settings", "step": step, "settings": after}


def _in_parent(settings: Mapping[str, Any], one: ParentLine) -> dict[str, Any]:
    """Return the settings of an upsert with a line of one of its parents as it is to be."""
    parents = list(settings["parents"])
    parent = dict(parents[one.parent])
    name = one.field.lower()
    after = [one.line if line["field"].lower() == name else line for line in parent["lines"]]
    parent["lines"] = [line for line in after if line is not None]
    if one.line is not None and parent["external_id"].lower() == name:
        parent["external_id"] = one.line["field"]
    parents[one.parent] = parent
    return {**settings, "parents": parents}


def _once(given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [edit for place, edit in enumerate(given) if edit not in given[:place]]
