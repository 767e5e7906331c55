"""
This module encrypts what must not be readable in a database dump.

The keys are Fernet keys (AES-128-CBC with HMAC-SHA256, https://github.com/fernet/spec) from the settings,
newest first: the first encrypts, all decrypt. The owner of a secret stands inside the plaintext, so that a
ciphertext that was moved to another row does not open there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from isal import isal_zlib

from integrator.kernel.fernets import Fernets

_OWNER_SIZE = 2  # bytes before the owner that hold its length
_PLAIN, _DEFLATED = b"\x00", b"\x01"  # how the data behind the owner is stored
_WORTH_DEFLATING = 512  # bytes: bodies and traces shrink to a third, which also makes sealing cheaper
_FAST = 1  # the level; what it writes is zlib's own format, in a third of zlib's time


class Unreadable(Exception):
    """The ciphertext does not open: its key is lost, it was damaged, or it belongs to something else."""


class _Ring(NamedTuple):
    """The keys, made ready."""

    newest: Fernet
    all: MultiFernet
    newest_for_many: Fernets


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> _Ring:
    if not keys:
        raise ImproperlyConfigured("Set INTEGRATOR_ENCRYPTION_KEYS to at least one Fernet key.")
    try:
        ring = [Fernet(key) for key in keys]
    except ValueError:
        # The key itself must not appear in the message.
        raise ImproperlyConfigured(
            "INTEGRATOR_ENCRYPTION_KEYS holds something that is no Fernet key (32 bytes, base64)."
        ) from None
    return _Ring(ring[0], MultiFernet(ring), Fernets(keys[0]))


def _keys() -> tuple[str, ...]:
    return tuple(settings.ENCRYPTION_KEYS)


def seal(plain: bytes, *, owner: str) -> bytes:
    """Encrypt `plain` with the newest key so that only `owner` can open it."""
    return _ring(_keys()).newest.encrypt(_packed(plain, owner))


def seal_many(secrets: Iterable[tuple[bytes, str]]) -> list[bytes]:
    """
    Encrypt many in one go, as `seal` does one: each a plaintext with its owner.

    It takes a third of the time, and `unseal` does not know the difference.
    """
    packed = [_packed(plain, owner) for plain, owner in secrets]
    return _ring(_keys()).newest_for_many.encrypt(packed, now=datetime.now(UTC))


def _packed(plain: bytes, owner: str) -> bytes:
    """Return what is encrypted: the owner, how the data is stored, and the data."""
    if len(plain) < _WORTH_DEFLATING:
        return _head(owner) + _PLAIN + plain
    return _head(owner) + _DEFLATED + isal_zlib.compress(plain, _FAST)


def _head(owner: str) -> bytes:
    name = owner.encode()
    return len(name).to_bytes(_OWNER_SIZE, "big") + name


def unseal(sealed: bytes | memoryview, *, owner: str) -> bytes:
    """
    Decrypt what `seal` made for `owner`, with whichever key of the ring fits.

    :raises Unreadable: if no key fits, the bytes were damaged, or they were sealed for another owner
    """
    try:
        opened = _ring(_keys()).all.decrypt(bytes(sealed))
    except InvalidToken:
        raise Unreadable(f"The data of {owner!r} does not open with any of the configured keys.") from None
    return _unpacked(opened, owner)


def unseal_many(secrets: Sequence[tuple[bytes | memoryview, str]]) -> list[bytes | Unreadable]:
    """
    Decrypt many in one go, each with its owner; return for each the data, or what `unseal` would raise.

    Those that the newest key has sealed take half of the time; the others are opened one by one.
    """
    opened = _ring(_keys()).newest_for_many.decrypt([bytes(sealed) for sealed, _ in secrets])
    return [_tried(sealed, owner, plain) for (sealed, owner), plain in zip(secrets, opened, strict=True)]


def _tried(sealed: bytes | memoryview, owner: str, opened: bytes | None) -> bytes | Unreadable:
    try:
        return unseal(sealed, owner=owner) if opened is None else _unpacked(opened, owner)
    except Unreadable as failure:
        return failure


def _unpacked(opened: bytes, owner: str) -> bytes:
    """
    Return the data in what was decrypted.

    :raises Unreadable: if it is another's, or stored in a way that this version does not know
    """
    head = _head(owner)
    if not opened.startswith(head):
        raise Unreadable(f"The data found for {owner!r} was sealed for something else.")
    how, data = opened[len(head) : len(head) + 1], opened[len(head) + 1 :]
    if how not in (_PLAIN, _DEFLATED):
        raise Unreadable(f"The data of {owner!r} was sealed by another version of the product.")
    return isal_zlib.decompress(data) if how == _DEFLATED else data


def reseal(sealed: bytes | memoryview) -> bytes:
    """
    Return the same data for the same owner, sealed with the newest key.

    :raises Unreadable: if no key of the ring opens it
    """
    try:
        return _ring(_keys()).all.rotate(bytes(sealed))
    except InvalidToken:
        raise Unreadable("The data does not open with any of the configured keys.") from None


def is_current(sealed: bytes | memoryview) -> bool:
    """Tell whether the newest key opens `sealed`, so that it needs no sealing anew."""
    try:
        _ring(_keys()).newest.decrypt(bytes(sealed))
    except InvalidToken:
        return False
    return True


def opens(sealed: bytes | memoryview) -> bool:
    """Tell whether any key of the ring opens `sealed`, whosever it is."""
    try:
        _ring(_keys()).all.decrypt(bytes(sealed))
    except InvalidToken:
        return False
    return True
