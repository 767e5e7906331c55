"""This module tests what a log line holds, and what it never does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.stage import ROOT

KEY = "sk_live_canary4eC39HqLyjWDarjtT1"
SECRETS = [
    pytest.param(KEY, id="a Stripe key"),
    pytest.param("whsec_canary4eC39HqLyjWDarjtT1zdp7", id="a webhook secret"),
    pytest.param("igr_canary4eC39HqLyjWDarjtT1zdp7dc", id="an API token"),
    pytest.param("00D000000000001!canary.4eC39HqLyjWDarjtT1", id="a Salesforce session"),
    pytest.param("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----", id="a private key"),
    pytest.param("4242 4242 4242 4242", id="a card number"),
    pytest.param("postgres://integrator:canary@db.test:5432/integrator", id="a password in an address"),
]
WAYS = {
    "an event": "log.info(S)",
    "a value": "log.info('x', value=S)",
    "deep inside": "log.info('x', value={'a': [{'b': (S,)}]})",
    "an object": "log.info('x', value=Thing())",
    "an exception": "log.info('x', error=ValueError(S))",
    "a traceback": "\ntry:\n    raise ValueError(S)\nexcept ValueError:\n    log.exception('x')",
    "a library": "logging.getLogger('lib').warning('seen %s', S)",
    "a library's object": "logging.getLogger('lib').warning(Thing())",
    "a library's traceback": "\ntry:\n    raise OSError(S)\nexcept OSError:\n    logging.exception('x')",
    "what was bound": "\nwith logs.bind(run=S):\n    log.info('x')",
    "what ends the process": "raise ValueError(S)",
}


def printed(code: str, *, secret: str = KEY, plain: bool = False) -> str:
    """Return what a process of its own logs."""
    program = (
        "import logging, structlog\nfrom integrator import logs\n"
        f"logs.configure(level='DEBUG', plain={plain}, process='work')\n"
        f"log = structlog.get_logger('ours')\nS = {secret!r}\n"
        "class Thing:\n    def __str__(self): return S\n    __repr__ = __str__\n" + code
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("plain", [False, True], ids=["JSON", "plain"])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_reaches_a_log_by_any_way(secret, plain):
    ways = {name: code for name, code in WAYS.items() if not plain or name != "what ends the process"}
    said = printed("\n".join(ways.values()), secret=secret, plain=plain)

    assert said.count("•••") + said.count(r"\u2022\u2022\u2022") >= len(ways)
    assert "canary" not in said
    assert "4242 4242" not in said


def test_a_value_under_a_telling_name_is_masked_whatever_it_looks_like():
    assert "hunter2" not in printed("log.info('x', password='hunter2', deep={'client_secret': 'hunter2'})")


@pytest.mark.parametrize(
    "text",
    ["a\nforged line", "a\r\nforged", "\x1b[2J\x1b]0;title\x07", "a\u2028b", "\u202egnp.exe", "\x9b31m"],
    ids=repr,
)
@pytest.mark.parametrize("plain", [False, True], ids=["JSON", "plain"])
def test_what_somebody_wrote_neither_ends_a_line_nor_moves_a_cursor(text, plain):
    said = printed("log.info(S)\nlog.info('x', name=S)\nlogging.warning('x %s', S)", secret=text, plain=plain)

    assert len(said.splitlines()) == 3
    assert not set("\x1b\x07\r\u2028\u202e\x9b") & set(said)


def test_a_line_says_what_when_where_and_for_whom():
    line = json.loads(
        printed("with logs.bind(run='r1', request_id='q1'):\n    log.warning('lane.lost', lane=7)")
    )

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "lane.lost", "level": "warning", "logger": "ours", "process": "work",
        "run": "r1", "request_id": "q1", "lane": 7,
    }  # fmt: skip


def test_what_was_bound_ends_with_its_block():
    first, second = printed("with logs.bind(run='r1'):\n    log.info('a')\nlog.info('b')").splitlines()

    assert "run" in json.loads(first)
    assert "run" not in json.loads(second)


def test_an_exception_is_one_line_of_json():
    (line,) = printed(WAYS["a traceback"], secret="harmless").splitlines()

    assert "ValueError: harmless" in json.loads(line)["exception"]


def test_what_a_page_was_made_of_is_never_logged():
    code = "logging.getLogger('django.template').debug('context: %s', S)\nlog.debug('x')"

    (line,) = printed(code, secret="what a page was made of").splitlines()

    assert json.loads(line)["event"] == "x"
