"""
This module says what a person has to do in Salesforce to take a merge back.

There is no call that does it: the records come back out of the recycle bin, and what belonged to them has to
be moved back by hand, since it lies with the record that was kept.
"""

from __future__ import annotations

from typing import Any

from flows.merging.reading import name_of
from flows.models import Merge


def undo_of(merge: Merge) -> dict[str, Any]:
    """
    Return until when it is possible, what to restore, the values to set back, and what to move back.

    :raises vault.Unreadable: if no key opens what the merge keeps
    """
    records = merge.records()
    master = records.get(merge.master, {})
    labels = {one["field"]: one["label"] for one in merge.survivors}
    return {
        "until": merge.restorable_until,
        "restore": [{"id": one, "name": name_of(records.get(one, {"Id": one}))} for one in merge.losers],
        "values": [
            {"field": name, "label": labels.get(name, name), "before": master.get(name), "after": value}
            for name, value in merge.values().items()
        ],
        "children": [
            {
                "object": one["object"],
                "field": one["field"],
                "record": record,
                "ids": ids,
                "more": one["more"],
            }
            for one in merge.children
            for record, ids in one["ids"].items()
            if record in merge.losers
        ],
        "links": [one for one in merge.links if one["moves"]],
        "before": records,
    }
