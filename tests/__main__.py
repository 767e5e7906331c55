"""This module runs every test: on SQLite alone, then what needs a database on PostgreSQL with Redis."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile

from tests.migrated import SHARED

POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Playwright keeps an event loop in its process, in which code that wants a loop of its own cannot run.
BROWSER = "tests/browser"
# What asks the database in a way of its own: the inbox, the lanes and what is told of them, locks, the audit
# trail, whole ways from event to record. Pages, REST and calls are the same on both, so SQLite tests them.
# Chaos here is what only PostgreSQL and Redis can suffer, and the longest way of all. With the addresses of
# both set, `pytest tests/integration tests/journeys tests/chaos` runs every one of those tests on them.
ON_BOTH_DATABASES = (
    "tests/integration/flows",
    "--ignore-glob=tests/integration/flows/test_*pages.py",
    # These are pages by another name, or ask a model: no statement of theirs is of one database alone.
    "--ignore-glob=tests/integration/flows/test_mapper*.py",
    "--ignore=tests/integration/flows/test_canvas_trials.py",
    "--ignore=tests/integration/flows/test_gallery.py",
    "--ignore=tests/integration/flows/test_meaning.py",
    "--ignore=tests/integration/flows/test_second_opinion.py",
    "--ignore=tests/integration/flows/test_suggesting.py",
    "tests/integration/monitoring",
    "tests/integration/connectors/test_connections.py",
    "tests/integration/connectors/test_gateway.py",
    "tests/integration/connectors/test_rotate_keys.py",
    "tests/integration/connectors/test_salesforce_sessions.py",
    "tests/integration/connectors/test_schemas.py",
    "tests/integration/test_backup.py",
    "tests/integration/test_mixed_versions.py",
    "tests/integration/accounts/test_at_once.py",
    "tests/integration/accounts/test_audit.py",
    "tests/integration/integrator/test_silent_redis.py",
    "tests/integration/api/test_lists.py",
    "tests/integration/api/test_drafts.py",
    "tests/journeys",
    "--ignore=tests/journeys/test_impact.py",
    "--ignore=tests/journeys/test_secrets.py",
    "--ignore=tests/journeys/test_trials.py",
    "tests/chaos/test_the_database_dies.py",
    "tests/chaos/test_redis_stops.py",
    "tests/chaos/test_redis_hangs.py",
    "tests/chaos/test_the_disk_is_full.py",
    "tests/chaos/test_clocks_disagree.py",
    "tests/chaos/test_nothing_is_lost.py",
    "tests/chaos/test_receiver_killed.py",
    "tests/chaos/test_all_connections_taken.py",
    "tests/chaos/test_mixed_versions.py",
)
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
# Its time is bounded. `make test` on a machine of one's own runs these as well, and so should every night.
IN_TIME = ("-m", "not long") if IN_CI else ()


def main(arguments: list[str]) -> int:
    """Return 0 if all tests passed, on every database that is there."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a run starts hundreds of processes
    find_system_packages()
    with tempfile.TemporaryDirectory(prefix="integrator-migrated-") as folder:
        os.environ[SHARED] = folder
        return on_each_database(arguments)


def on_each_database(arguments: list[str]) -> int:
    """Return 0 if the browser's tests, those on SQLite and those on PostgreSQL passed."""
    without_services = {"REDIS_URL": "", "DATABASE_URL": ""}
    # A browser keeps a core busy; much of the other tests' time is waiting for disks and processes.
    outcome = pytest([BROWSER, *IN_TIME, *arguments], without_services, title="Chromium", processes=2)
    rest = ["tests", f"--ignore={BROWSER}", *IN_TIME, *arguments]
    outcome = pytest(rest, without_services, title="SQLite, no Redis") or outcome
    if outcome and IN_CI:
        return outcome
    missing = [name for name, port in (("PostgreSQL", 5432), ("Redis", 6379)) if not listens(port)]
    if missing:
        print(f"SKIPPED: {' and '.join(missing)} not found on this machine; those tests did not run.")
        return 1 if IN_CI else outcome
    services = {"REDIS_URL": REDIS, "DATABASE_URL": POSTGRESQL}
    return pytest([*ON_BOTH_DATABASES, *arguments], services, title="PostgreSQL and Redis") or outcome


def pytest(arguments: list[str], environment: dict[str, str], *, title: str, processes: int = 5) -> int:
    """Run pytest with `environment`, where an empty value means unset."""
    print(f"\n== {title}", flush=True)
    env = {**os.environ, **environment}
    for name in [name for name, value in environment.items() if not value]:
        env.pop(name, None)
    # In the order that tests/conftest.py gives them.
    dealt = ["-n", str(processes), "--dist", "loadgroup", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", "-q", *dealt, *arguments]
    return subprocess.run(command, env=env, check=False).returncode


def listens(port: int) -> bool:
    """Tell whether something listens on `port` of this machine."""
    with socket.socket() as attempt:
        attempt.settimeout(2)
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def find_system_packages() -> None:
    """Install Chromium and libfaketime where that is possible, or end with what to do."""
    missing = [] if any(shutil.which(name) for name in CHROMIUM) else ["chromium"]
    missing += [] if shutil.which("faketime") else ["faketime"]
    if not missing:
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", *missing], check=True)
    elif "chromium" in missing:
        sys.exit("The browser tests need Chromium. Install it (for instance: sudo apt-get install chromium).")
    else:
        print("SKIPPED: faketime not found on this machine; tests with wrong clocks will not run.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
