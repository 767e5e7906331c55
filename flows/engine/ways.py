"""This module tells from the trace of a run which way it took out of each of its steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# What stands in place of an exit, where a run took none. No exit can be called so.
ENDED = ""  # the flow ended the run at this step
FAILED = "!failed"  # the run failed at it, and no step handles that
# Of an entry that was taken over from an earlier try: the try's number, and when it ended.
CARRIED = "carried"

Way = tuple[str, str]  # the step's id, and the exit


def taken(trace: Iterable[Mapping[str, Any]]) -> list[Way]:
    """Return the ways that a run took, in order, since it last began at its first step."""
    found: list[Way] = []
    for entry in trace:
        if "exit" not in entry:
            found.clear()  # which state it starts from: what stands before it was in doubt, and is done anew
        elif CARRIED in entry:
            continue  # an earlier try took it, and counted it
        elif entry["exit"] is not None:
            found.append((entry["step"], entry["exit"]))
        else:
            found.append((entry["step"], FAILED if entry["error"] else ENDED))
    return found
