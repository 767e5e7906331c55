"""This module examines what lies beneath: settings that are dangerous, keys, Redis and the disk."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from integrator import vault
from integrator.kernel.redact import redact_text
from monitoring import recipients, room
from monitoring.doctor.findings import Finding, State, broken, warning, well
from monitoring.doctor.look import Look
from monitoring.words import counted

_CONSOLE = "django.core.mail.backends.console.EmailBackend"


# Settings


@dataclass(frozen=True, slots=True)
class Danger:
    """A setting that must not, or should not, be as it is; `here` tells whether it is so."""

    setting: str
    here: Callable[[], bool]
    detail: str
    remedy: str
    in_public: State = State.BROKEN  # where people reach the product from elsewhere; a warning on loopback


DANGERS: tuple[Danger, ...] = (
    Danger(
        "DEBUG",
        lambda: bool(settings.DEBUG),
        "on, so that whoever causes a fault is shown how the product works inside",
        "Set DEBUG=0.",
    ),
    Danger(
        "SECRET_KEY",
        lambda: len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith("for-development-only"),
        "short, or the one for development: sessions can be forged",
        "Set SECRET_KEY to a long random value.",
    ),
    Danger(
        "INTEGRATOR_PUBLIC_URL",
        lambda: is_public() and not settings.PUBLIC_URL.startswith("https://"),
        "not https, so that passwords and sessions can be read on their way",
        "Put a proxy with TLS in front, and set the https address.",
    ),
    Danger(
        "FORWARDED_ALLOW_IPS",
        lambda: "*" in settings.FORWARDED_ALLOW_IPS,
        "everybody, so that a caller may choose the address that limits and logs believe",
        "Name the proxies alone.",
    ),
    Danger(
        "ALLOWED_HOSTS",
        lambda: "*" in settings.ALLOWED_HOSTS,
        "every name, so that a link in a mail can be made to lead elsewhere",
        "Name the hosts under which the product answers.",
    ),
    Danger(
        "INTEGRATOR_SANDBOX",
        lambda: bool(settings.SANDBOX) and is_public(),
        "on, so that connections may lead to services on this machine",
        "Set INTEGRATOR_SANDBOX=0, unless both systems are simulated.",
        State.WARNING,
    ),
    Danger(
        "INTEGRATOR_METRICS_TOKEN",
        lambda: 0 < len(settings.METRICS_TOKEN) < 16,
        "so short that it can be guessed",
        "Set a random value of at least 16 characters.",
    ),
    Danger(
        "INTEGRATOR_ADMIN_PASSWORD",
        lambda: bool(settings.ADMIN_PASSWORD) and is_public(),
        "still in the environment of every process",
        "Take it away: it is needed by bootstrap alone.",
        State.WARNING,
    ),
    Danger(
        "INTEGRATOR_SUGGESTIONS_MODEL_URL",
        lambda: (
            settings.SUGGESTIONS_MODEL_URL.startswith("http://")
            and not is_loopback(settings.SUGGESTIONS_MODEL_URL)
        ),
        "not https, so that its key can be read on its way",
        "Set an https address.",
        State.WARNING,
    ),
    Danger(
        "EMAIL_URL",
        lambda: not recipients.mail_is_sent(),
        "no mail server, so that alerts are shown in the product alone",
        "Set EMAIL_URL.",
        State.WARNING,
    ),
    Danger(
        "EMAIL_URL",
        lambda: settings.MAIL_BACKEND == _CONSOLE and is_public(),
        "mails are written to the log, with links that set a password",
        "Name a mail server.",
    ),
)


def dangers(look: Look) -> Iterator[Finding]:
    """Name every setting that is dangerous."""
    public, found = is_public(), False
    for danger in DANGERS:
        if danger.here():
            found = True
            state = danger.in_public if public else State.WARNING
            yield Finding("setting", state, danger.detail, danger.remedy, about=danger.setting)
    if not found:
        yield well("settings", "none is dangerous")


def is_public() -> bool:
    """Tell whether the address of the product is meant for more than this machine."""
    return not is_loopback(settings.PUBLIC_URL)


def is_loopback(address: str) -> bool:
    """Tell whether an address leads to the machine that asks."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# Keys


def keys(look: Look) -> Finding:
    """Seal and unseal something."""
    name = "encryption keys"
    try:
        vault.unseal(vault.seal(b"doctor", owner="doctor"), owner="doctor")
    except (ImproperlyConfigured, ValueError, vault.Unreadable) as failure:
        return broken(
            name, str(failure) or "no usable key", "Set INTEGRATOR_ENCRYPTION_KEYS (see .env.example)."
        )
    return well(name, f"{counted(len(settings.ENCRYPTION_KEYS), 'key')} in the ring")


# Redis


def broker(look: Look) -> Finding:
    """Reach Redis, where it is used."""
    if not settings.REDIS_URL:
        return well("redis", "not used: processes wake each other by the database")
    import redis  # noqa: PLC0415  # it takes 6 MB of each process, which an installation without does without

    try:
        with redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_TIMEOUTS) as asked:
            asked.ping()
    except (redis.RedisError, ValueError) as failure:
        away = f"does not answer: {redact_text(str(failure))}"
        said = away if isinstance(failure, redis.RedisError) else "no address of a Redis"
        return warning("redis", said, "Start it, or check REDIS_URL. Nothing is lost meanwhile, only slower.")
    return well("redis", "Redis answers")


# The disk


def disk(look: Look) -> Finding:
    """Look at the free space where the embedded database stands, or where the product runs."""
    found = room.disk()
    said = found.in_words
    if not found.embedded:
        said += "; the disk of PostgreSQL is not looked at"
    remedy = "Make room: on a full disk events are turned away."
    if found.nearly_full:
        return broken("disk", said, remedy)
    if found.short:
        return warning("disk", said, remedy)
    return well("disk", said)
