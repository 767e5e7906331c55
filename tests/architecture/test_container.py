"""
This module tests the container files without a container engine.

What the image copies is laid out in an empty folder and made to run there; the rest is held against the
rules that keep an image small, repeatable and without rights.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.source import PACKAGES, ROOT

KNOWN_TO_SERVICES = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}


def instructions() -> list[tuple[str, str]]:
    """Return every instruction of the Dockerfile, long lines joined, comments left out."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def of(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


SERVICES: dict[str, Any] = compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("build") == "."}


def documented() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


# The image


def copied() -> Iterator[tuple[str, str]]:
    for rest in of("COPY"):
        if not rest.startswith("--from"):
            *sources, target = rest.split()
            for source in sources:
                yield source, target


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds what the image holds, and nothing else."""
    app = tmp_path_factory.mktemp("app")
    for source, _ in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, app / source, ignore=shutil.ignore_patterns("__pycache__"))
        elif not source.startswith("requirements"):
            shutil.copy(ROOT / source, app)
    (app / "var").mkdir(mode=0o700)
    return app


def in_image(image: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "SECRET_KEY": "x" * 50, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=image,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_copied_is_the_whole_product(image):
    sources = {source for source, _ in copied()}

    assert sources >= {*PACKAGES, "templates", "static", "manage.py", "requirements/base.txt"}
    assert not sources & {".", "tests", ".env", "var", ".git"}


def test_the_commands_of_the_build_succeed_on_what_was_copied(image):
    (build,) = [run for run in of("RUN") if "manage.py" in run]
    commands = re.findall(r"python manage\.py ([^&]+)", build)

    assert [command.split()[0] for command in commands] == ["check", "collectstatic"]
    for command in commands:
        done = in_image(image, *command.split())
        assert done.returncode == 0, done.stderr
    assert list((image / "var" / "static").glob("css/app.*.css"))


def test_every_command_that_a_container_runs_is_one_of_the_product(image):
    known = in_image(image, "help", "--commands").stdout.split()
    (default,) = of("CMD")

    assert json.loads(of("ENTRYPOINT")[0]) == ["python", "manage.py"]
    commands = [
        json.loads(default),
        *(service["command"] for service in OURS.values() if "command" in service),
    ]
    assert {command[0] for command in commands} == {
        "serve", "migrate", "work", "listen", "demo",
    }  # fmt: skip
    assert [command for command in commands if command[0] not in known] == []


def test_only_locked_wheels_are_installed():
    (install,) = [run for run in of("RUN") if "pip install" in run]

    assert "--require-hashes" in install
    assert "--only-binary=:all:" in install
    assert install.endswith("-r /tmp/base.txt")
    requirements = (ROOT / "requirements" / "base.txt").read_text()
    entries = re.findall(r"^[a-z0-9-]+(?:\[[a-z,]+\])?==", requirements, re.MULTILINE | re.IGNORECASE)
    hashed = re.findall(r"^[a-z0-9-]+[^\n]*\\\n\s+--hash=sha256:", requirements, re.MULTILINE | re.IGNORECASE)
    assert len(entries) == len(hashed) > 30


def test_the_base_is_glibc_and_named_exactly():
    bases = of("FROM")

    assert {base.split()[0] for base in bases} == {"python:3.13-slim-bookworm"}
    assert len(bases) == 2, "what only the build needs stays behind"


def test_the_process_has_no_rights_and_owns_no_code():
    words = [word for word, _ in instructions()]
    last_user = [rest for word, rest in instructions() if word == "USER"][-1]

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last_user)
    assert words.index("USER") > max(place for place, word in enumerate(words) if word == "COPY")
    assert not [rest for rest in of("COPY") if "--chown" in rest]
    assert "ADD" not in words
    assert not re.search(r"sudo|chmod 777|apt-get", " ".join(of("RUN")))


def test_no_secret_and_no_setting_is_baked_in():
    given = set(re.findall(r"([A-Z][A-Z_]+)=", " ".join(of("ENV"))))

    assert given == {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert of("ARG") == []


def test_nothing_private_reaches_whoever_builds_the_image():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}

    assert "*" in lines
    assert allowed == {source for source, _ in copied()}


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (400, 1)])
def test_the_health_check_asks_as_the_proxy_would(status, code):
    hosts = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append((self.path, self.headers["Host"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _, python, *arguments = json.loads(of("HEALTHCHECK")[0].partition(" CMD ")[2].replace('["', '["", "', 1))
    assert python == "python"
    env = {"PORT": str(server.server_port), "INTEGRATOR_PUBLIC_URL": "https://integrator.example.com"}
    done = subprocess.run([sys.executable, *arguments], env=env, check=False, timeout=20)
    server.shutdown()
    server.server_close()

    assert done.returncode == code
    assert hosts == [("/healthz", "integrator.example.com")]


# The services


def environment_of(service: Any) -> dict[str, str]:
    return dict(service.get("environment", {}))


@pytest.mark.parametrize("name", SERVICES)
def test_every_setting_is_one_that_is_read(name):
    known = documented() if name in OURS else KNOWN_TO_SERVICES

    assert set(environment_of(SERVICES[name])) <= known


def test_every_variable_that_is_filled_in_is_explained():
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))

    assert used == {"POSTGRES_PASSWORD", "PORT"}
    assert "`POSTGRES_PASSWORD`" in (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_without_rights_on_a_read_only_disk(name):
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["init"] is True


def test_the_schema_comes_before_whoever_needs_it():
    for name in ("web", "work", "listen"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_a_container_is_given_longer_to_stop_than_the_product_takes():
    assert all(int(service["stop_grace_period"].rstrip("s")) > 30 for service in OURS.values())


def test_nothing_but_the_web_is_published_and_only_to_this_host():
    published = {name: service["ports"] for name, service in SERVICES.items() if service.get("ports")}

    assert set(published) == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in published["web"])


def test_the_only_proxy_that_is_believed_is_this_host():
    (network,) = compose()["networks"]["default"]["ipam"]["config"]

    for name in ("web", "work", "listen", "migrate"):
        assert environment_of(SERVICES[name])["FORWARDED_ALLOW_IPS"] == network["gateway"]


def test_the_images_of_others_are_named_exactly():
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]

    assert all(re.fullmatch(r"[a-z]+:\d+(\.\d+)?-[a-z]+", image) for image in images), images


def test_the_demonstration_starts_only_when_it_is_asked_for():
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["sandbox"]
    assert environment_of(SERVICES["sandbox"])["INTEGRATOR_SANDBOX"] == "1"
    assert not [
        name for name in OURS if name != "sandbox" and "INTEGRATOR_SANDBOX" in environment_of(OURS[name])
    ]
