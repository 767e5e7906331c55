"""Many Fernet tokens in one go are tokens as the library makes and opens them one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet

from integrator.kernel.fernets import Fernets

KEY, OTHER = Fernet.generate_key(), Fernet.generate_key()
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PLAINS = [bytes(range(size)) for size in (0, 1, 15, 16, 17, 31, 32, 200)]


def test_the_library_opens_each_token_by_itself():
    library = Fernet(KEY)
    tokens = Fernets(KEY).encrypt(PLAINS, now=NOON)

    assert [library.decrypt(token) for token in tokens] == PLAINS
    assert {library.extract_timestamp(token) for token in tokens} == {int(NOON.timestamp())}


def test_what_the_library_made_is_opened():
    tokens = [Fernet(KEY).encrypt(plain) for plain in PLAINS]

    assert Fernets(KEY.decode()).decrypt(tokens) == PLAINS


def test_equal_texts_have_nothing_in_common_when_they_are_ciphered():
    """Each has a vector of its own, though all are ciphered as one message, and in the next another one."""
    texts = [b"the same text of two blocks, and more"] * 50
    tokens = [token for _ in range(2) for token in Fernets(KEY).encrypt(texts, now=NOON)]

    assert len({token[12:56] for token in tokens}) == 100  # from the vector on


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda _token: Fernet(OTHER).encrypt(b"b"), id="another key"),
        pytest.param(lambda token: token[:-8], id="cut"),
        pytest.param(lambda token: token[:40] + bytes([token[40] ^ 1]) + token[41:], id="changed"),
        # Its vector alone: what it opens to is well-formed, and only the signature tells.
        pytest.param(
            lambda token: token[:12] + (b"B" if token[12:13] == b"A" else b"A") + token[13:],
            id="another vector",
        ),
        pytest.param(lambda token: b"\x00" + token[1:], id="no text"),
        pytest.param(lambda _token: b"", id="empty"),
        pytest.param(lambda _token: b"a", id="no base64"),
    ],
)
def test_a_broken_token_is_told_and_harms_no_neighbour(broken):
    many = Fernets(KEY)
    first, second, third = many.encrypt([b"a", b"b", b"c"], now=NOON)

    assert many.decrypt([first, broken(second), third]) == [b"a", None, b"c"]


def test_nothing_is_nothing():
    assert Fernets(KEY).encrypt([], now=NOON) == []
    assert Fernets(KEY).decrypt([]) == []


@pytest.mark.parametrize("key", [b"", b"short", KEY[:-8]], ids=["empty", "short", "cut"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError, match=r"key|adding|base64"):
        Fernets(key)
