"""
This module remembers for each planted bug a world that showed it, so that the suite looks there first.

Where the code has changed what happens in that world, the search goes on with the others; what the tests
print tells which one to put here then. Bugs that the first worlds show are left out.
"""

from __future__ import annotations

KERNEL: dict[str, int] = {
    "seconds alone tell what is newer": 20261130,
    "of one second the last to come is applied": 20261130,
    "a reading counts as new as its answer": 20261867,
    "the rank of a source is ignored": 20261142,
    "a write that was not answered is not confirmed": 20261142,
    "the lease is not checked before a call": 20263799,
    "a lane that is held can be claimed": 20261131,
    "a record of several lanes is written without a lease": 20261870,
    "what a lost worker was writing to is forgotten": 20261502,
    "a write of a shared record that was not answered is not confirmed": 20261142,
    "a webhook is acknowledged before it is kept": 20261130,
    "the cursor moves before its page is kept": 20261143,
    "a lost answer is followed by the same call": 20261166,
    "a lost answer counts as a refusal": 20261136,
    "an effect is not recorded before its call": 20261166,
    "an answer counts for tries that were made since": 20261136,
    "history sends letters": 20261130,
}

REAL: dict[str, int] = {
    "the culprit of crashes is never given up": 20261139,
    "any state may overwrite any other": 20261133,
    "what was applied is not kept": 20261177,
    "a write that was not answered is not confirmed": 20261142,
    "a confirming run trusts its event": 20261163,
    "a batch is closed whoever holds the lanes": 20261135,
    "a newer event does the work where something must happen once": 20261153,
    "a newer state ends what an effect still has to do": 20261234,
    "an effect is not recorded before its call": 20261189,
    "history sends letters": 20261143,
    "one element that is refused fails the others": 20261130,
    "a sweep lets nothing in": 20261136,
}
