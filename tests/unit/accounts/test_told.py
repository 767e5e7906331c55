"""An entry of the audit trail is told in words, whatever its details hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from integrator.accounts import told
from integrator.accounts.models import AuditEntry

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "none", id="nothing"),
        pytest.param(True, "yes", id="a truth"),
        pytest.param({"secret_key": "9f86", "id": None}, "secret key 9f86, id none", id="names"),
        pytest.param(["a", "b"], "a, b", id="a short list"),
        pytest.param(list("abcde"), "a, b, c and 2 more", id="a long list"),
        pytest.param("2026-99-99T99:99:99", "2026-99-99T99:99:99", id="no moment"),
        pytest.param(3, "3", id="a number"),
    ],
)
def test_details_read_as_words_and_not_as_code(value: Any, text: str) -> None:
    (detail,) = told.tell(AuditEntry(action="token.created", details={"expires_at": value})).details

    assert (detail.name, detail.text, detail.at) == ("expires at", text, None)


def test_a_moment_is_a_moment() -> None:
    entry = AuditEntry(action="token.created", details={"until": "2026-12-24T17:16:31.123456+00:00"})

    (detail,) = told.tell(entry).details

    assert detail.at is not None
    assert detail.at.isoformat(timespec="minutes") == "2026-12-24T17:16+00:00"


def test_an_act_of_an_installed_package_still_reads_as_words() -> None:
    assert told.tell(AuditEntry(action="budget.set_limit", details={})).action == "budget: set limit"


def test_every_act_of_the_product_has_its_words() -> None:
    nouns = "connection|webhook|flow|deadletters?|integration|pair|person|token|workspace"
    named = re.compile(rf'"((?:{nouns})\.[a-z_]+(?:ed|off|on))"')
    sources = [
        *ROOT.glob("connectors/*.py"),
        *ROOT.glob("flows/*.py"),
        *ROOT.glob("integrator/accounts/*.py"),
    ]

    acts = {act for path in sources if path.name != "told.py" for act in named.findall(path.read_text())}

    assert len(acts) > 15
    assert acts <= set(told.ACTIONS)
