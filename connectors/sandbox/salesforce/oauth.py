"""This module is the org's front door: JWT bearer logins and the sessions they open."""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from connectors.sandbox.salesforce.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwt.types import Options

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
OLD_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
LATEST_EXPIRY = 300  # seconds ahead that an assertion may expire, and a little for the way
GRACE = 10
LOGINS_AN_HOUR = 3_600
LIFETIME = 7_200.0  # seconds that a session lives
HOUR = 3_600
CERTIFICATE_LIMIT = 4_096
UNVERIFIED: Options = {  # what is checked here by hand, since Salesforce has its own words for each
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class LoginRefused(Exception):
    """The token endpoint says no: an OAuth error, an object and not a list."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(slots=True)
class User:
    """A user of the org, and when they logged in during the last hour."""

    id: str
    username: str
    active: bool = True
    admin: bool = False  # sees everything, and may deploy metadata
    logins: deque[float] = field(default_factory=deque)


@dataclass(slots=True)
class App:
    """An External Client App, or an older connected app, and the key that its assertions are signed with."""

    consumer_key: str
    public_key: RSAPublicKey
    username: str
    approved: bool = True
    installed: bool = True
    old_connected_app: bool = False


@dataclass(slots=True)
class Session:
    """What an access token opens, and until when."""

    user: User
    expires: float


@dataclass(slots=True)
class Door:
    """The registered apps, the users and the open sessions."""

    apps: dict[str, App] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    lifetime: float = LIFETIME
    logins_an_hour: int = LOGINS_AN_HOUR
    logins: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    automation: User = field(
        default_factory=lambda: User(new_id("005", 1), "automatedprocess@sandbox.example")
    )

    def __post_init__(self) -> None:
        self.users[self.automation.username] = self.automation

    def user(self, username: str) -> User:
        """Return the user of that name, who is made if there is none."""
        if username not in self.users:
            self.users[username] = User(new_id("005", len(self.users) + 1), username)
        return self.users[username]

    def register(self, data: Mapping[str, Any]) -> App:
        """
        Register an app or replace its key.

        :raises ValueError: if the key is no RSA key or certificate that Salesforce would take
        """
        app = App(
            consumer_key=str(data["consumer_key"]),
            public_key=_public_key(str(data["public_key_pem"])),
            username=str(data["username"]),
            approved=bool(data.get("approved", True)),
            installed=bool(data.get("installed", True)),
            old_connected_app=bool(data.get("old_connected_app", False)),
        )
        self.apps[app.consumer_key] = app
        self.user(app.username).active = bool(data.get("active", True))
        return app

    def open_session(self, org_id: str, user: User, *, now: float) -> str:
        """Return the access token of a new session."""
        token = f"{org_id[:15]}!AQ{secrets.token_urlsafe(72)}"
        self.sessions[token] = Session(user, now + self.lifetime)
        return token

    def reset(self) -> None:
        """Forget sessions and logins; apps and users stay."""
        self.sessions.clear()
        self.refusals.clear()
        self.logins, self.lifetime, self.logins_an_hour = 0, LIFETIME, LOGINS_AN_HOUR
        for user in self.users.values():
            user.logins.clear()

    def close_sessions(self) -> int:
        """Expire every session and return how many there were."""
        closed = len(self.sessions)
        self.sessions.clear()
        return closed

    def who_holds(self, token: str, *, now: float) -> User | None:
        """Return the user whose session the token opens, or None if it opens none."""
        session = self.sessions.get(token)
        if session is None or session.expires <= now or not session.user.active:
            return None
        return session.user

    def login(
        self, form: Mapping[str, str], *, org_id: str, address: str, instance_url: str, now: float
    ) -> dict[str, Any]:
        """
        Return the answer of the token endpoint to a JWT bearer login; `address` is the My Domain address.

        :raises LoginRefused: with the error of the real endpoint
        """
        try:
            user = self._admit(form, address=address, now=now)
        except LoginRefused as refusal:
            reason = f"{refusal.error}: {refusal.description}"
            self.refusals[reason] = self.refusals.get(reason, 0) + 1
            raise
        user.logins.append(now)
        self.logins += 1
        return {
            "access_token": self.open_session(org_id, user, now=now),
            "scope": "api",
            "instance_url": instance_url,
            "id": f"{address}/id/{org_id}/{user.id}",
            "token_type": "Bearer",
        }

    def _admit(self, form: Mapping[str, str], *, address: str, now: float) -> User:
        if form.get("grant_type") != JWT_BEARER:
            raise LoginRefused("unsupported_grant_type", "grant type not supported")
        assertion = form.get("assertion", "")
        app = self._app_of(assertion)
        claims = _verified(assertion, app)
        _check_audience(app, claims.get("aud"), address)
        _check_expiry(claims.get("exp"), now)
        return self._user_of(app, claims.get("sub"), now)

    def _app_of(self, assertion: str) -> App:
        """Return the app that the assertion says it comes from; its signature is not checked yet."""
        try:
            issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError as reason:
            raise LoginRefused("invalid_grant", "invalid assertion") from reason
        app = self.apps.get(issuer) if isinstance(issuer, str) else None
        if app is None:
            raise LoginRefused("invalid_client_id", "client identifier invalid")
        if not app.installed:
            raise LoginRefused("app_not_found", "External client app is not installed in this org")
        return app

    def _user_of(self, app: App, username: object, now: float) -> User:
        user = self.users.get(username) if isinstance(username, str) else None
        if user is None or username != app.username or not app.approved:
            raise LoginRefused("invalid_grant", "user hasn't approved this consumer")
        if not user.active:
            raise LoginRefused("invalid_grant", "inactive user")
        while user.logins and user.logins[0] <= now - HOUR:
            user.logins.popleft()
        if len(user.logins) >= self.logins_an_hour:
            raise LoginRefused("invalid_grant", "login rate exceeded")
        return user

    def as_json(self) -> dict[str, Any]:
        """Return a summary without keys and tokens."""
        return {
            "apps": [
                {
                    "consumer_key": app.consumer_key,
                    "username": app.username,
                    "approved": app.approved,
                    "installed": app.installed,
                    "old_connected_app": app.old_connected_app,
                }
                for app in self.apps.values()
            ],
            "sessions": len(self.sessions),
            "token_hashes": [hashlib.sha256(token.encode()).hexdigest()[:12] for token in self.sessions],
            "logins": self.logins,
            "refused_logins": dict(self.refusals),
        }


def _verified(assertion: str, app: App) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion, app.public_key, algorithms=["RS256"], options=UNVERIFIED
        )
    except jwt.PyJWTError as reason:
        raise LoginRefused("invalid_grant", "invalid assertion") from reason
    return claims


def _check_audience(app: App, audience: object, address: str) -> None:
    """
    Refuse an assertion that was made for another host.

    Since Spring '26 an External Client App is not found at the common login hosts.
    https://github.com/forcedotcom/cli/issues/3482
    """
    if audience == address:
        return
    if audience not in OLD_AUDIENCES:
        raise LoginRefused("invalid_grant", "audience is invalid")
    if not app.old_connected_app:
        raise LoginRefused("app_not_found", "External client app is not installed in this org")


def _check_expiry(expiry: object, now: float) -> None:
    try:
        seconds = float(str(expiry))  # simple-salesforce sends the number as text, and real orgs take it
    except ValueError:
        seconds = 0.0
    if not now - GRACE < seconds <= now + LATEST_EXPIRY + GRACE:
        raise LoginRefused("invalid_grant", "expired authorization code")


def _public_key(pem: str) -> RSAPublicKey:
    """
    Return the key in a PEM of a public key or a certificate.

    :raises ValueError: if Salesforce would not take it
    """
    raw = pem.encode()
    if "BEGIN CERTIFICATE" in pem:
        if len(raw) > CERTIFICATE_LIMIT:
            raise ValueError("A certificate is smaller than 4 KB")
        key: object = load_pem_x509_certificate(raw).public_key()
    else:
        key = load_pem_public_key(raw)
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise ValueError("Only RSA keys of 2048 bits or more are accepted")
    return key
