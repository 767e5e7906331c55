"""
This module holds the wake-ups that flows send after a commit.

They carry no truth: whoever misses one reads the `Change` table by its cursor.
"""

from __future__ import annotations

from django.dispatch import Signal

# A Change row was committed. Arguments: environment_id, kind, summary.
changed = Signal()

# A run is due or an event waits for its dispatch: somebody should ring the doorbell. No arguments.
work_arrived = Signal()
