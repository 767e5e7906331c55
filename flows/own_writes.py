"""This module keeps what flows wrote because of our own writes, with the version that they applied last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from flows import bulk
from flows.agreeing.own import Past
from flows.models import AppliedVersion, Run
from integrator import vault
from integrator.kernel import canonical


def of(flow_id: int, pair_id: int, targets: Sequence[str]) -> dict[str, Past]:
    """
    Return what the flow wrote to each of `targets`, as far as it did; nothing of what cannot be opened.

    Without it, a loop is only seen some writes later.
    """
    rows = AppliedVersion.objects.filter(bulk.among("target", targets), flow=flow_id, pair=pair_id)
    kept = rows.exclude(past=b"").values_list("target", "past")
    found = {
        target: past for target, sealed in kept if (past := _opened(sealed, flow_id, pair_id)) is not None
    }
    asking = {past.held_by for past in found.values()} - {0}
    unfinished = Run.objects.filter(id__in=asking, state__in=Run.UNFINISHED)
    states = dict(unfinished.values_list("id", "state")) if asking else {}
    return {
        target: replace(past, answered=states[past.held_by] != Run.State.WAITING)
        if past.held_by in states
        else replace(past, held_by=0)
        for target, past in found.items()
    }


def _opened(sealed: bytes | memoryview, flow_id: int, pair_id: int) -> Past | None:
    try:
        return Past.of(json.loads(vault.unseal(sealed, owner=_owner(flow_id, pair_id))))
    except vault.Unreadable:
        return None


def keep(written: Iterable[tuple[int, int, str, Past]]) -> None:
    """Keep what flows (flow, pair, target) have written, in the transaction that keeps their versions."""
    for flow_id, pair_id, target, past in written:
        sealed = vault.seal(canonical.dumps(past.as_data()), owner=_owner(flow_id, pair_id))
        AppliedVersion.objects.filter(flow=flow_id, pair=pair_id, target=target).update(past=sealed)


def _owner(flow_id: int, pair_id: int) -> str:
    return f"own_writes:{flow_id}:{pair_id}"
