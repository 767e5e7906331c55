"""This module tests how collected files are served: with strict headers, and nothing but files."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from integrator.assets import assets


@pytest.fixture
def ask(tmp_path, settings):
    """Return what asks for an address and answers with status and headers."""
    settings.DEBUG = False
    settings.STATIC_ROOT = tmp_path / "static"
    (tmp_path / "static" / "css").mkdir(parents=True)
    (tmp_path / "static" / "css" / "app.css").write_text("body {}")
    (tmp_path / "secret.txt").write_text("canary")
    serve = assets(None)  # type: ignore[arg-type]  # Django is asked in development only

    def get(path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.Event().wait()  # nobody hangs up

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": [],
                 "query_string": b"", "http_version": "1.1", "scheme": "http"}  # fmt: skip
        asyncio.run(serve(scope, receive, send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:])

    return get


def test_a_file_is_kept_for_good_and_by_nobody_else(ask):
    status, headers, body = ask("/static/css/app.css")

    assert (status, body) == (200, b"body {}")
    assert "immutable" in headers["cache-control"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/css/", "/static/css", "/static/nothing.css", "/static/../secret.txt",
     "/static/%2e%2e/secret.txt", "/static/css/../../secret.txt", "/static//etc/passwd"],
)  # fmt: skip
def test_no_folder_and_nothing_outside_is_shown(ask, path):
    status, _, body = ask(path)

    assert status == 404
    assert b"canary" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_files_are_only_read(ask, method):
    assert ask("/static/css/app.css", method)[0] == 405
