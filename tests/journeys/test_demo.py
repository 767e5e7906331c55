"""This module plays the demo as a newcomer would, without a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.conftest import POSTGRESQL
from tests.stage import MANAGE, free_port, last_words, until

pytestmark = pytest.mark.skipif(POSTGRESQL, reason="the demo runs on the embedded database")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return the settings of a demo with a database of its own."""
    return {k: v for k, v in os.environ.items() if k not in {"DJANGO_SETTINGS_MODULE", "REDIS_URL"}} | {
        "SECRET_KEY": "x" * 50,
        "INTEGRATOR_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "INTEGRATOR_SANDBOX": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}",
        "PORT": str(free_port()),
        "ALLOWED_HOSTS": "127.0.0.1",
    }


@pytest.mark.timeout(300)
def test_a_demo_is_stopped_and_the_next_one_finds_every_payment_as_expected(env, tmp_path):
    said = tmp_path / "said.txt"
    with said.open("w") as out:
        demo = subprocess.Popen([*MANAGE, "demo", "--rate", "8"], env=env, stdout=out, stderr=out)
    try:
        until(
            lambda: "Ctrl-C" in said.read_text(),
            seconds=180,
            what="the demo runs",
            alive=lambda: last_words(demo, said),
        )
        time.sleep(4)
        demo.send_signal(signal.SIGINT)
        demo.wait(timeout=90)
    finally:
        demo.kill()  # which is over by then if all is well
        demo.wait()
    assert "finished first" in said.read_text()

    # What the first one left behind would fail the second: a dead letter is enough for that.
    played = subprocess.run(
        [*MANAGE, "demo", "--once", "--payments", "20"], env=env, capture_output=True, text=True, check=False
    )
    told = played.stdout

    assert played.returncode == 0, told + played.stderr
    assert "20 payments, 20 as expected" in told
    assert "DIFFERENT" not in told
    assert "'dead'" not in told
    # The two topics of the first demo are looked for at their new address; each may be cut off at the end.
    assert played.stderr.count("event_bus.unreachable") <= 2, played.stderr
    assert re.search(r"Dunning was started (\d+) times for \1 declines", told)
