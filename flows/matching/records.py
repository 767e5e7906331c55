"""This module brings a customer's record into the form in which records are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from flows.matching.phones import phone_of
from flows.matching.text import LONGEST, folded, has_digit, tokens
from flows.matching.words import Words, words
from integrator.kernel.texts import storable

FORM = (
    2  # of what records become here and of their keys; whoever keeps them makes others of another form anew
)

_LONGEST_KEY = 1_000
_MOST_WORDS = 12  # of a name or a street


@dataclass(frozen=True, slots=True)
class Name:
    """What a person or a company is called, without its legal form and titles."""

    words: tuple[str, ...]
    ordered: tuple[str, ...]  # the same in the order of the alphabet

    @property
    def together(self) -> str:
        """The name without its spaces."""
        return "".join(self.words)


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address taken apart, without its tag."""

    local: str
    domain: str
    is_role: bool
    is_free: bool

    @property
    def whole(self) -> str:
        """The address."""
        return f"{self.local}@{self.domain}"

    @property
    def letters(self) -> str:
        """The letters before the @, without dots and numbers."""
        return "".join(filter(str.isalpha, self.local))


@dataclass(frozen=True, slots=True)
class Normalised:
    """A record in the form in which records are compared; what it does not say is empty."""

    names: tuple[Name, ...] = ()
    email: Email | None = None
    domain: str = ""  # of the company; never one where anybody may have an address
    phone: str = ""  # digits of the number within its country, with an extension at the end
    street: tuple[str, ...] = ()  # words without numbers
    house: tuple[str, ...] = ()  # what has digits, in its order
    postal: str = ""
    city: str = ""
    country: str = ""  # two capital letters, if it could be understood
    external: frozenset[tuple[str, str]] = frozenset()  # names of keys and their values
    calling_code: str = ""  # of the phone number's country, if the number or the record tells


def normalise(record: Mapping[str, object]) -> Normalised:
    """
    Return `record` in the form in which records are compared.

    It may have `name`, `contact`, `company`, `email`, `phone`, `line1`, `city`, `postal`, `country` and
    `domain`, and as `external` the values of external keys by their names, in which neither capitals nor
    spaces count. Nothing is required; what is no text is left out.
    """
    country = _country(_text(record, "country"))
    email = _email(_text(record, "email"))
    line = _street_words(_text(record, "line1"))
    phone = phone_of(_text(record, "phone"), country)
    external = record.get("external")
    return Normalised(
        names=_names(record),
        email=email,
        domain=_domain(_text(record, "domain"), email),
        phone=phone.number,
        calling_code=phone.code,
        street=tuple(word for word in line if not has_digit(word)),
        house=tuple(word for word in line if has_digit(word)),
        postal="".join(tokens(_text(record, "postal"))),
        city=" ".join(tokens(_text(record, "city"))[:_MOST_WORDS]),
        country=country,
        external=_external(external) if isinstance(external, Mapping) else frozenset(),
    )


def _text(record: Mapping[str, object], field: str) -> str:
    value = record.get(field)
    return storable(value[:LONGEST]).strip() if isinstance(value, str) else ""


def _external(keys: Mapping[object, object]) -> frozenset[tuple[str, str]]:
    told = ((str(name), external_value(value)) for name, value in keys.items())
    return frozenset((name, value) for name, value in told if value)


def external_value(value: object) -> str:
    """Return the value of an external key as it is compared; empty for what is no text and no number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return ""
    is_whole = isinstance(value, float | Decimal) and value % 1 == 0
    # Longer than any external id: of a part it could not be said whether it is the same.
    return "".join(storable(str(int(value) if is_whole else value)[:_LONGEST_KEY]).split()).casefold()


def _names(record: Mapping[str, object]) -> tuple[Name, ...]:
    found: dict[tuple[str, ...], Name] = {}
    for field in ("name", "contact", "company"):
        for name in names_of(_text(record, field)):
            found.setdefault(name.ordered, name)
    return tuple(found.values())


def names_of(text: str) -> tuple[Name, ...]:
    """Return the name that `text` holds, if any; two where it may be a person or a company, as `Ann Sas`."""
    known = words()
    plain = [word for word in tokens(text) if word not in known.joining] or list(tokens(text))
    while len(plain) > 1 and plain[0] in known.titles:
        del plain[0]
    bare = _without_form(plain)
    told = [bare]
    if len(plain) == 2 and len(bare) == 1 and plain[1] in known.also_surnames:
        told.append(plain)
    return tuple(Name(tuple(one), tuple(sorted(one))) for one in (some[:_MOST_WORDS] for some in told) if one)


def _without_form(plain: list[str]) -> list[str]:
    """Return `plain` without the legal forms at its end; what is left is never empty."""
    known = words()
    while size := _form_size(plain, known):
        plain = plain[:-size]
    return plain


def _form_size(plain: list[str], known: Words) -> int:
    """Return how many words the legal form at the end of `plain` has."""
    sizes = range(min(known.longest_form, len(plain) - 1), 0, -1)
    return next((size for size in sizes if tuple(plain[-size:]) in known.legal_forms), 0)


def _email(text: str) -> Email | None:
    local, at, domain = folded(text).strip("<> ").rpartition("@")
    if not (at and local and "." in domain):
        return None
    known = words()
    domain = known.same_mail.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain in known.dotless_mail:
        local = local.replace(".", "") or local
    plain = "".join(filter(str.isalpha, local))
    return Email(local, domain, is_role=plain in known.roles, is_free=domain in known.free_mail)


def _domain(text: str, email: Email | None) -> str:
    if email is not None and not email.is_free:
        return email.domain
    told = folded(text).rpartition("://")[2].partition("/")[0].removeprefix("www.")
    return told if "." in told and told not in words().free_mail else ""


def _country(text: str) -> str:
    plain = " ".join(tokens(text))
    if plain in words().countries:
        return words().countries[plain]
    return plain.upper() if len(plain) == 2 and plain.isalpha() else ""


def _street_words(text: str) -> tuple[str, ...]:
    known = words().streets
    return tuple(known.get(word, word) for word in tokens(text)[:_MOST_WORDS])
