"""
This module encrypts what is known of a customer, and hides what its keys are made of.

What is compared is sealed as everything personal is. Keys and terms have to be found by a database, so they
are numbers; made with a salt of each directory that is sealed as well, nobody can try out e-mail addresses on
a dump.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from hashlib import blake2b

import msgspec

from flows.matching import Normalised
from flows.models import Directory
from integrator import vault

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Normalised)


def new_salt(owner: str) -> bytes:
    """Return a new salt for the directory of `owner`, sealed."""
    return vault.seal(secrets.token_bytes(32), owner=owner)


def owner_of(connection_id: int, object_: str) -> str:
    """Return for whom a directory's salt is sealed."""
    return f"directory:{connection_id}:{object_}"


class Seal:
    """What opens and closes the records of one directory."""

    def __init__(self, directory: Directory) -> None:
        """
        Open the salt.

        :raises vault.Unreadable: if its key is lost
        """
        owner = owner_of(directory.connection_id, directory.object)
        self._salt = vault.unseal(directory.salt, owner=owner)
        self._owner = f"known:{directory.pk}"

    def close(self, norm: Normalised) -> bytes:
        """Return `norm` sealed."""
        return vault.seal(_ENCODER.encode(norm), owner=self._owner)

    def open(self, sealed: bytes | memoryview) -> Normalised | None:
        """Return what was sealed; nothing if its key is lost, so that it is as good as unknown."""
        return self.open_many([sealed])[0]

    def open_many(self, sealed: Sequence[bytes | memoryview]) -> list[Normalised | None]:
        """Return what each of many has sealed, as `open` does of one; together they take half of the time."""
        return [_read(one) for one in vault.unseal_many([(one, self._owner) for one in sealed])]

    def hidden(self, numbers: Collection[int]) -> dict[int, int]:
        """Return what stands in the database for each of `numbers`, as keys of this map."""
        return {self._hidden(number): number for number in numbers}

    def _hidden(self, number: int) -> int:
        told = number.to_bytes(8, "big", signed=True)
        return int.from_bytes(blake2b(told, key=self._salt, digest_size=8).digest(), "big", signed=True)


def _read(plain: bytes | vault.Unreadable) -> Normalised | None:
    try:
        return None if isinstance(plain, vault.Unreadable) else _DECODER.decode(plain)
    except msgspec.DecodeError:
        return None
