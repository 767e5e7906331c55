"""This module starts the server, the scene and the browser that the tests of this folder share."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect, sync_playwright

from tests import migrated
from tests.browser.looking import CHROMIUM, Watch, sign_in
from tests.browser.mapper import Mapper, Start
from tests.stage import MANAGE, ROOT, Stage, free_port, last_words, until

# A busy machine may take its time to show something; only what never shows is a failure.
expect.set_options(timeout=30_000)


class Theatre:
    """A server on a database of its own, and the process that changes what it shows."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.web = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DEBUG"}}
        self.env = {
            **kept,
            "DJANGO_SETTINGS_MODULE": "integrator.settings",
            "SECRET_KEY": "only-for-tests-" + "x" * 50,
            "INTEGRATOR_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "INTEGRATOR_SANDBOX": "1",
            "INTEGRATOR_PUBLIC_URL": self.web,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "LOG_LEVEL": "WARNING",
        }
        migrated.copy_to(folder / "db.sqlite3")
        self.log_path = folder / "serve.log"
        self.log = self.log_path.open("wb")
        self.scene = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.scene"],
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.serve()
        self.ids: dict[str, str] = self.do("build")

    def serve(self) -> None:
        """Start the web process."""
        self.server = subprocess.Popen(
            [*MANAGE, "serve", "--port", str(self.port)], env=self.env, stdout=self.log, stderr=self.log
        )
        until(
            lambda: Stage.answers(f"{self.web}/healthz"),
            seconds=90,
            what="the server answers",
            alive=lambda: last_words(self.server, self.log_path),
        )

    def close(self) -> None:
        """Stop the web process."""
        self.server.terminate()
        try:
            self.server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()

    def do(self, call: str, **arguments: Any) -> Any:
        """Change the scene and return what came of it."""
        assert self.scene.stdin is not None
        assert self.scene.stdout is not None
        self.scene.stdin.write(json.dumps({"call": call, "with": arguments}) + "\n")
        self.scene.stdin.flush()
        answer = self.scene.stdout.readline()
        assert answer, f"the scene stumbled over {call}"
        return json.loads(answer)

    def at(self, path: str = "", *, environment: str = "dev") -> str:
        """Return the address of a page of an environment."""
        return f"{self.web}/w/acme/{environment}/{path}"


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Return the server with its scene set."""
    started = Theatre(tmp_path_factory.mktemp("theatre"))
    try:
        yield started
    finally:
        started.close()
        with contextlib.suppress(OSError):
            started.scene.stdin.close()  # type: ignore[union-attr]  # opened as a pipe
        started.scene.wait(timeout=10)
        started.scene.stdout.close()  # type: ignore[union-attr]  # as above
        started.log.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the machine's Chromium."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, theatre: Theatre) -> dict[str, Any]:
    """Return what a browser remembers after the administrator has signed in."""
    context = browser.new_context()
    sign_in(context.new_page(), theatre.web, "root@acme.test")
    state: Any = context.storage_state()
    context.close()
    return dict(state)


@pytest.fixture(scope="session")
def window(browser: Browser, signed_in: dict[str, Any]) -> Iterator[BrowserContext]:
    """Open the administrator's window, at the size of a laptop; a new one for each test costs a second."""
    opened = browser.new_context(
        storage_state=signed_in,  # type: ignore[arg-type]  # what Playwright itself returned
        viewport={"width": 1280, "height": 800},
        reduced_motion="reduce",
    )
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def drawer(window: BrowserContext) -> CDPSession:
    """Return what reaches into what the window keeps for a site."""
    return window.new_cdp_session(window.new_page())


@pytest.fixture
def context(
    window: BrowserContext, drawer: CDPSession, signed_in: dict[str, Any], theatre: Theatre
) -> Iterator[BrowserContext]:
    """Return the administrator's window, which remembers of the test before only what never changes."""
    kept = set(window.pages)
    yield window
    for page in set(window.pages) - kept:
        page.close()
    window.set_offline(False)
    window.clear_permissions()
    window.clear_cookies()
    window.add_cookies(signed_in["cookies"])
    drawer.send("Storage.clearDataForOrigin", {"origin": theatre.web, "storageTypes": "local_storage"})


@pytest.fixture
def watch() -> Watch:
    """Return the watchman who notes what a page must never do."""
    return Watch()


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Iterator[Page]:
    """Return a page of the administrator; the test fails if the page complains or runs what is foreign."""
    opened = context.new_page()
    watch.over(opened)
    yield opened
    opened.close()
    assert not watch.complaints


@pytest.fixture(scope="session")
def org(theatre: Theatre) -> dict[str, str]:
    """Let the fields of the org be known, and return the addresses of two mappings."""
    ids: dict[str, str] = theatre.do("mapper")
    return ids


@pytest.fixture
def start(theatre: Theatre, org: dict[str, str], page: Page) -> Start:
    """Return what opens a mapping of its own, with the lines that it is given."""
    return lambda lines=(): Mapper(theatre, page, list(lines))


@pytest.fixture(scope="session")
def town(theatre: Theatre) -> str:
    """Connect a workspace without flows to both simulated systems, and return its address."""
    theatre.do("town", web=theatre.web)
    return f"{theatre.web}/w/town/dev/"


@pytest.fixture
def newcomer(browser: Browser, theatre: Theatre, town: str, watch: Watch) -> Iterator[Page]:
    """Return a page of somebody who has just been given an account in the town."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    watch.over(page)
    sign_in(page, theatre.web, "nora@acme.test")
    yield page
    context.close()
    assert not watch.complaints
