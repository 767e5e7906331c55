"""This module measures how much room is left on the disk that the product needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings

from monitoring.facts import Disk


def disk() -> Disk:
    """
    Return the disk on which the embedded database stands, or on which the product runs.

    The disk of a PostgreSQL server may be another machine's, and is not looked at.
    """
    stands = Path(settings.DATABASES["default"]["NAME"]).parent if settings.SQLITE else settings.BASE_DIR
    usage = shutil.disk_usage(stands)
    return Disk(free=usage.free, total=usage.total, embedded=settings.SQLITE)
