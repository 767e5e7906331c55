"""This module says how long who hears an org, or asks it, holds what it hears and waits after a refusal."""

from __future__ import annotations

from datetime import timedelta

LEASE = timedelta(seconds=20)  # another listener takes a topic over within 30 s
# What waiting does not mend, is tried again all the same: access may be granted there.
PATIENT = timedelta(minutes=5)
LIMITED = timedelta(minutes=15)  # the allowance of deliveries is counted over a moving day
