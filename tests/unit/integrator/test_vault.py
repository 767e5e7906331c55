"""What is sealed opens only for its owner, and only with a key of the ring."""

from __future__ import annotations

import zlib

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from integrator import vault

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SECRET = b"sk_test_planted_canary"


@pytest.fixture(autouse=True)
def ring(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    return settings


def test_what_was_sealed_opens_for_its_owner_and_is_not_in_the_ciphertext():
    sealed = vault.seal(SECRET, owner="credential:1:secret_key")

    assert vault.unseal(sealed, owner="credential:1:secret_key") == SECRET
    assert vault.unseal(memoryview(sealed), owner="credential:1:secret_key") == SECRET
    assert SECRET not in sealed


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("credential:2:secret_key", id="another row"),
        pytest.param("credential:1:secret_key2", id="a longer name"),
        pytest.param("credential:1:secret_ke", id="a shorter name"),
        pytest.param("", id="nobody"),
    ],
)
def test_a_ciphertext_moved_to_another_owner_does_not_open(other):
    sealed = vault.seal(SECRET, owner="credential:1:secret_key")

    with pytest.raises(vault.Unreadable):
        vault.unseal(sealed, owner=other)


def test_a_new_key_seals_while_the_old_one_still_opens(ring):
    sealed = vault.seal(SECRET, owner="o")
    ring.ENCRYPTION_KEYS = [NEW, OLD]

    assert vault.unseal(sealed, owner="o") == SECRET
    assert not vault.is_current(sealed)
    assert vault.is_current(vault.seal(SECRET, owner="o"))


@pytest.mark.parametrize(
    "damage", [lambda sealed: sealed[:-3], lambda sealed: sealed[:0], lambda sealed: bytes(len(sealed))]
)
def test_damage_is_noticed(damage):
    with pytest.raises(vault.Unreadable) as caught:
        vault.unseal(damage(vault.seal(SECRET, owner="o")), owner="o")

    assert SECRET.decode() not in str(caught.value)


def test_a_lost_key_says_so_without_a_chain_of_causes(ring):
    sealed = vault.seal(SECRET, owner="token:7")
    ring.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(vault.Unreadable, match="token:7") as caught:
        vault.unseal(sealed, owner="token:7")

    assert caught.value.__suppress_context__


@pytest.mark.parametrize("keys", [[], ["not-a-key-but-secret"]])
def test_no_key_or_a_broken_one_stops_the_program_without_showing_it(ring, keys):
    ring.ENCRYPTION_KEYS = keys

    with pytest.raises(ImproperlyConfigured) as caught:
        vault.seal(SECRET, owner="o")

    assert "not-a-key-but-secret" not in str(caught.value)


def test_large_data_takes_less_room_than_it_had_and_opens_as_it_was():
    body = b'{"name": "Ada", "amount": 1999}' * 200

    sealed = vault.seal(body, owner="event:1")

    assert len(sealed) < len(body) / 4
    assert vault.unseal(sealed, owner="event:1") == body


def test_what_zlib_deflated_opens_and_zlib_inflates_what_is_deflated_now(settings):
    """Versions that deflate in another way read each other's rows."""
    key = Fernet(settings.ENCRYPTION_KEYS[0])
    body = b'{"name": "Ada", "amount": 1999}' * 200
    head = len(b"event:1").to_bytes(2, "big") + b"event:1"

    before = key.encrypt(head + b"\x01" + zlib.compress(body, level=1))
    now = key.decrypt(vault.seal(body, owner="event:1"))

    assert vault.unseal(before, owner="event:1") == body
    assert now.startswith(head + b"\x01")
    assert zlib.decompress(now.removeprefix(head)[1:]) == body


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
def test_data_of_every_size_opens_as_it_was(size):
    body = bytes(range(256)) * 3

    assert vault.unseal(vault.seal(body[:size], owner="event:1"), owner="event:1") == body[:size]


def test_data_that_another_version_sealed_is_not_taken_for_something_else(settings):
    key = Fernet(settings.ENCRYPTION_KEYS[0])
    foreign = key.encrypt(len(b"event:1").to_bytes(2, "big") + b"event:1" + b"x{}")

    with pytest.raises(vault.Unreadable, match="another version"):
        vault.unseal(foreign, owner="event:1")


# Many at once


def test_what_was_sealed_with_others_opens_alone_and_what_was_sealed_alone_opens_with_others():
    small, large = b"{}", b'{"name": "Ada", "amount": 1999}' * 200
    together = vault.seal_many([(small, "a"), (large, "b")])
    alone = [vault.seal(small, owner="a"), vault.seal(large, owner="b")]

    assert [vault.unseal(together[0], owner="a"), vault.unseal(together[1], owner="b")] == [small, large]
    assert vault.unseal_many([(alone[0], "a"), (memoryview(alone[1]), "b")]) == [small, large]
    assert len(together[1]) == len(alone[1])


def test_of_many_only_those_open_that_belong_to_their_owners_and_have_a_key(ring):
    before = vault.seal(b"before", owner="a")
    ring.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    lost = vault.seal(b"lost", owner="a")
    ring.ENCRYPTION_KEYS = [NEW, OLD]
    now = vault.seal(b"now", owner="a")

    found = vault.unseal_many([(before, "a"), (now, "b"), (lost, "a"), (now, "a")])

    assert [found[0], found[3]] == [b"before", b"now"]
    assert isinstance(found[1], vault.Unreadable)
    assert isinstance(found[2], vault.Unreadable)
    assert "something else" in str(found[1])
    assert "any of the configured keys" in str(found[2])
