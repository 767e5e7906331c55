"""This module tells the sign-in library what this product does differently."""

from __future__ import annotations

from io import BytesIO

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest
from qrcode.image.svg import SvgPathFillImage

from integrator import vault

SECOND_FACTOR = "second factor"  # whom sealed seeds belong to


class ClosedSignup(DefaultAccountAdapter):  # type: ignore[misc]  # the library ships no types
    """People are added by an administrator of their workspace."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Keep the sign-up page shut."""
        return False


class SecondFactor(DefaultMFAAdapter):  # type: ignore[misc]  # the library ships no types
    """The second factor is called after the product, and its code can be read in the dark."""

    def encrypt(self, text: str) -> str:
        """Seal a seed: whoever reads the database must not be able to make somebody's codes."""
        return vault.seal(text.encode(), owner=SECOND_FACTOR).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """
        Open what `encrypt` sealed.

        :raises vault.Unreadable: if its key is lost
        """
        return vault.unseal(encrypted_text.encode(), owner=SECOND_FACTOR).decode()

    def get_totp_issuer(self) -> str:
        """Return what an authenticator app calls us."""
        return "Integrator"

    def build_totp_svg(self, url: str) -> str:
        """Draw the code on white, since a camera reads no dark squares on a dark page."""
        drawn = BytesIO()
        qrcode.make(url, image_factory=SvgPathFillImage).save(drawn)
        return drawn.getvalue().decode()
