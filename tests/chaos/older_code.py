"""
This module takes the code of an earlier version out of the repository's own history.

It is that of the newest commit that starts and whose database lacks something of today's, or of the one that
the environment names in OLDER_VERSION.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from tests.stage import ROOT, Stage, manage

MIGRATIONS = "*/migrations/[0-9]*.py"
MOST_TRIED = 8


class NoHistory(Exception):
    """There is no earlier version to be found here."""


def git(*arguments: str) -> str:
    """
    Return what git answers about this repository.

    :raises NoHistory: if there is no git, no repository, or no such thing in it
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoHistory("git is not on this machine") from None
    if done.returncode:
        raise NoHistory(done.stderr.strip() or f"git {arguments[0]} failed")
    return done.stdout


def migrations_of(commit: str) -> frozenset[str]:
    """Return the paths of all migrations of a commit."""
    paths = map(Path, git("ls-tree", "-r", "--name-only", commit).splitlines())
    return frozenset(str(path) for path in paths if path.match(MIGRATIONS))


def migrations_now() -> set[str]:
    """Return the paths of all migrations as they stand here, committed or not."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "--", "*/migrations/*.py")
    return {path for path in listed.splitlines() if Path(path).match(MIGRATIONS)}


def older_commits() -> Iterator[str]:
    """
    Yield ancestors with fewer migrations than there are now, the newest first, and one for each schema.

    :raises NoHistory: if there is none, as in a download or a clone without its history
    """
    if named := os.environ.get("OLDER_VERSION"):
        yield git("rev-parse", "--verify", f"{named}^{{commit}}").strip()
        return
    if Path(git("rev-parse", "--show-toplevel").strip()) != ROOT:
        raise NoHistory("this folder is no repository of its own")
    now = migrations_now()
    known: set[frozenset[str]] = set()
    for commit in git("rev-list", "--topo-order", "HEAD").splitlines():
        there = migrations_of(commit)
        if there < now and there not in known:
            known.add(there)
            yield commit
    if not known:
        raise NoHistory("no commit with fewer migrations is there: the clone may be shallow")


def unpack(folder: Path) -> tuple[str, Path]:
    """
    Unpack the code of the newest earlier version that starts, and return its commit and where it stands.

    :raises NoHistory: if there is none
    """
    for commit in islice(older_commits(), MOST_TRIED):
        archive, code = folder / f"{commit}.tar", folder / commit
        git("archive", "--format=tar", f"--output={archive}", commit)
        with tarfile.open(archive) as packed:
            packed.extractall(code, filter="data")
        if is_whole(code):
            return commit, code
    raise NoHistory(f"of {MOST_TRIED} earlier commits none starts")


def is_whole(code: Path) -> bool:
    """Tell whether a version starts, and its models are those of its migrations: half a change is none."""
    check = [*manage(code), "makemigrations", "--check", "--dry-run"]
    env = {**os.environ, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "integrator.settings"}
    env["DATABASE_URL"] = f"sqlite:///{code / 'none.sqlite3'}"
    return subprocess.run(check, env=env, capture_output=True, check=False).returncode == 0


@contextmanager
def an_upgraded_stage(folder: Path, older: Path, **options: Any) -> Iterator[Stage]:
    """
    Yield an installation that the older version has set up, in a database that is migrated to the newest.

    Its web process is of the newest version by now, and its worker is still the older one.
    """
    stage = Stage(folder, **options)
    try:
        stage.make_database()
        stage.root = older
        stage.connect()
        stage.spawn("work")
        stage.root = ROOT
        stage.spawn("serve")
        stage.wait_until_ready()
        yield stage
    finally:
        stage.stop()
