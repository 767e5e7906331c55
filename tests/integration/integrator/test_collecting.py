"""This module tests that static files are collected once, whoever starts at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.stage import ROOT

COLLECT = """
import sys, django
from django.conf import settings
settings.STATIC_ROOT = sys.argv[1]
django.setup()
from integrator import assets
print(assets.collect())
"""


def collecting(folder: Path) -> subprocess.Popen[str]:
    """Start a process that collects into a folder of its own."""
    env = {
        **{name: value for name, value in os.environ.items() if name not in {"DEBUG", "REDIS_URL"}},
        "DJANGO_SETTINGS_MODULE": "integrator.settings",
        "SECRET_KEY": "x" * 50,
    }
    command = [sys.executable, "-c", COLLECT, str(folder / "static")]
    return subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_of_two_that_start_together_one_collects_and_both_may_serve(tmp_path: Path) -> None:
    both = [collecting(tmp_path) for _ in range(2)]

    told = sorted(process.communicate(timeout=60)[0].strip() for process in both)

    assert [process.returncode for process in both] == [0, 0]
    assert told == ["False", "True"]
    assert (tmp_path / "static" / "staticfiles.json").exists()


def test_what_was_collected_is_not_collected_again(tmp_path: Path) -> None:
    first = collecting(tmp_path)
    assert first.communicate(timeout=60)[0].strip() == "True"
    changed = (tmp_path / "static" / "staticfiles.json").stat().st_mtime_ns

    second = collecting(tmp_path)

    assert second.communicate(timeout=60)[0].strip() == "False"
    assert (tmp_path / "static" / "staticfiles.json").stat().st_mtime_ns == changed
