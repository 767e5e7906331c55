"""Secrets are masked as a whole, in whatever text they turn up."""

from __future__ import annotations

import pytest

from integrator.kernel.redact import MASK, redact_text

SESSION = "00D000000000001AAA!AQ8AQ.abc_def-ghiJKLmno.pqr-stu"
JWT = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhY21lIn0.c2lnbmF0dXJl-_x"


@pytest.mark.parametrize("secret", [SESSION, JWT, JWT.rpartition(".")[0]])
def test_whatever_may_be_lent_as_a_session_is_masked_to_its_end(secret: str) -> None:
    assert redact_text(f"It said: {secret}, and no more.") == f"It said: {MASK}, and no more."


def test_a_word_that_only_begins_alike_stays() -> None:
    assert (
        redact_text("honeyJar eyJ.x keyJdriven.settings.value") == "honeyJar eyJ.x keyJdriven.settings.value"
    )
