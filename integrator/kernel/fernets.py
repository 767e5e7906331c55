"""
This module makes and opens many Fernet tokens at once, for a third of what one after the other costs.

The tokens are those of https://github.com/fernet/spec, byte by byte: whoever has the key opens them one by
one with any library. What is saved is a cipher's making for each token, which costs more than the ciphering.
"""

from __future__ import annotations

import binascii
import hmac
import os
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_VERSION = b"\x80"
_BLOCK = 16  # bytes of a block of AES, and so of an initialisation vector
_HEAD = 1 + 8  # bytes before the vector: the version and the time
_SEAL = 32  # bytes of the HMAC at the end
_TO_URLS, _FROM_URLS = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


class Fernets:
    """One Fernet key, for many tokens in one go. Safe in several threads: it holds nothing but the key."""

    def __init__(self, key: str | bytes) -> None:
        """
        Take a key as Fernet has it: 32 bytes in the base64 of addresses.

        :raises ValueError: if it is none
        """
        raw = _from_base64(key.encode() if isinstance(key, str) else key)
        if len(raw) != 2 * _BLOCK:
            raise ValueError("A Fernet key has 32 bytes")
        self._signs, self._cipher = raw[:_BLOCK], algorithms.AES(raw[_BLOCK:])

    def encrypt(self, plains: Sequence[bytes], *, now: datetime) -> list[bytes]:
        """
        Return one token for each of `plains`, in order, of the time `now`.

        All are ciphered as one message in which a random block stands before each. What becomes of that block
        is the vector of the next: the cipher of a nonce, which no one can foretell (NIST SP 800-38A, C).
        """
        if not plains:
            return []
        random = os.urandom(_BLOCK * (len(plains) + 1))
        message = bytearray()
        ends: list[int] = []
        for place, plain in enumerate(plains):
            filling = _BLOCK - len(plain) % _BLOCK
            message += random[_BLOCK * place : _BLOCK * (place + 1)]
            message += plain
            message += bytes((filling,)) * filling
            ends.append(len(message))
        cipher = Cipher(self._cipher, modes.CBC(random[-_BLOCK:])).encryptor()
        ciphered = cipher.update(bytes(message)) + cipher.finalize()
        head = _VERSION + int(now.timestamp()).to_bytes(8, "big")
        tokens: list[bytes] = []
        begin = 0
        for end in ends:
            signed = head + ciphered[begin:end]
            token = signed + hmac.digest(self._signs, signed, "sha256")
            tokens.append(binascii.b2a_base64(token, newline=False).translate(_TO_URLS))
            begin = end
        return tokens

    def decrypt(self, tokens: Sequence[bytes]) -> list[bytes | None]:
        """Return what each token holds, in order; None for what this key has not made, or was damaged."""
        found: list[bytes | None] = [None] * len(tokens)
        whole = [(place, inner) for place, token in enumerate(tokens) if (inner := self._inner(token))]
        if not whole:
            return found
        # Each block is opened with the one before it: a token's vector is ciphered text of the message, and
        # only what it seems to hold itself means nothing.
        cipher = Cipher(self._cipher, modes.CBC(bytes(_BLOCK))).decryptor()
        opened = cipher.update(b"".join(inner for _, inner in whole)) + cipher.finalize()
        begin = 0
        for place, inner in whole:
            end = begin + len(inner)
            found[place] = _without_filling(opened[begin + _BLOCK : end])
            begin = end
        return found

    def _inner(self, token: bytes) -> bytes:
        """Return vector and ciphered text of a token that this key has signed; nothing of any other."""
        try:
            raw = _from_base64(token)
        except ValueError:
            return b""
        inner = raw[_HEAD:-_SEAL]
        if raw[:1] != _VERSION or len(inner) < 2 * _BLOCK or len(inner) % _BLOCK:
            return b""
        signed = hmac.digest(self._signs, raw[:-_SEAL], "sha256")
        return inner if hmac.compare_digest(signed, raw[-_SEAL:]) else b""


def _from_base64(text: bytes) -> bytes:
    return binascii.a2b_base64(text.translate(_FROM_URLS))


def _without_filling(padded: bytes) -> bytes | None:
    filling = padded[-1]
    if not 0 < filling <= _BLOCK or padded[-filling:] != bytes((filling,)) * filling:
        return None  # signed, but no Fernet token
    return padded[:-filling]
