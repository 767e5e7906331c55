"""This module makes customers, the same ones as they are told again, and others that only look like them."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

Customer = dict[str, str]
Asked = tuple[
    Customer, str, str
]  # who is asked for, the id of who that is or nothing, and of what kind it is

FREE = ("gmail.com", "outlook.com", "yahoo.com", "gmx.de", "orange.fr", "libero.it", "wp.pl", "icloud.com")
ROLES = ("info", "billing", "accounts", "ap")
NICKNAMES = {
    "Robert": "Bob", "William": "Bill", "Elizabeth": "Liz", "Jennifer": "Jenny", "Michael": "Mike",
    "Thomas": "Tom", "Katharina": "Kathi", "Christopher": "Chris", "Andrew": "Andy", "Rebecca": "Becky",
}  # fmt: skip
DUPLICATES = 0.5  # of those who are asked for
LOOKALIKES = 0.25

_FILE = Path(__file__).parents[1] / "data" / "lookalikes.json"


@cache
def _locales() -> dict[str, dict[str, str]]:
    return json.loads(_FILE.read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Return the letters and digits of `text` in ASCII."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ł", "l").replace("ß", "ss"))
    return "".join(letter for letter in decomposed if letter.isascii() and letter.isalnum())


class World:
    """A seeded maker of customers; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)
        self._taken: set[str] = set()  # nobody has the domain or the address of somebody else

    def customers(self, count: int) -> Iterator[Customer]:
        """Make `count` customers, half of them companies."""
        for number in range(count):
            yield self.customer() | {"id": f"C{number:06d}"}

    def asked(self, known: list[Customer], count: int) -> Iterator[Asked]:
        """Ask for `count` customers: known ones told differently, ones that look like them, and new ones."""
        for _ in range(count):
            luck = self.luck.random()
            one = self.luck.choice(known)
            if luck < DUPLICATES:
                yield self.told_again(one), one["id"], "duplicate"
            elif luck < DUPLICATES + LOOKALIKES:
                kind = self.luck.choice(list(LOOKALIKE))
                yield LOOKALIKE[kind](self, one), "", kind
            else:
                yield self._asked(self.customer()), "", "new"

    def customer(self, country: str = "") -> Customer:
        """Make somebody; with a company in half of the cases."""
        locales = _locales()
        shares = [float(locale["share"]) for locale in locales.values()]
        country = country or self.luck.choices(list(locales), shares)[0]
        given, surname = self.given(country), self.surname(country)
        company = self.company(country) if self.luck.random() < 0.5 else ""
        domain = self.domain(company, country) if company else ""
        made = {
            "name": company if company and self.luck.random() < 0.7 else f"{given} {surname}",
            "contact": f"{given} {surname}",
            "company": company,
            "domain": domain,
            "email": self.often(0.92) * self.email(given, surname, domain),
            "phone": self.often(0.7) * self.pattern(locales[country]["phone"]),
        }
        return made | self.address(country)

    def told_again(self, one: Customer) -> Customer:
        """Tell a known customer as another system may: with other contact data, nicknames and mistakes."""
        told = self._asked(one)
        for change, share in CHANGES:
            if self.luck.random() < share:
                change(self, told, one)
        return told

    def _asked(self, one: Customer) -> Customer:
        return {field: value for field, value in one.items() if field not in ("id", "contact", "company")}

    def given(self, country: str) -> str:
        """Choose a given name; the first ones of the list are the most frequent."""
        names = _locales()[country]["given"].split()
        return names[int(len(names) * self.luck.random() ** 1.5)]

    def surname(self, country: str) -> str:
        """Make a surname out of its parts."""
        locale = _locales()[country]
        stem, end = self.luck.choice(locale["stems"].split()), self.luck.choice(locale["ends"].split(" "))
        second = self.luck.choice(locale["ends"].split()) if self.luck.random() < 0.3 else ""
        return (stem + end + second).replace("_", " ")

    def company(self, country: str) -> str:
        """Make the name of a company, with its legal form in most cases."""
        locale = _locales()[country]
        forms = locale["forms"].split("|" if "|" in locale["forms"] else " ")
        names = f"{self.surname(country)} {self.luck.choice(locale['trades'].split())}"
        if self.luck.random() < 0.3:
            names = f"{self.surname(country)} & {self.surname(country)}"
        return f"{names} {self.luck.choice(forms)}" if self.luck.random() < 0.8 else names

    def domain(self, company: str, country: str) -> str:
        """Make the domain of a company."""
        return self._free(plain(company)[:16], f".{self.luck.choice(_locales()[country]['tops'].split())}")

    def _free(self, start: str, end: str) -> str:
        """Return `start` and `end`, with a number between them if that is taken."""
        free = start + end
        while free in self._taken:
            free = f"{start}{self.luck.randrange(1, 10_000)}{end}"
        self._taken.add(free)
        return free

    def email(self, given: str, surname: str, domain: str) -> str:
        """Make an address at `domain`, or where anybody may have one."""
        if domain and self.luck.random() < 0.25:
            return f"{self.luck.choice(ROLES)}@{domain}"
        one, other = plain(given), plain(surname)
        number = self.luck.randrange(10, 99)
        local = self.luck.choice(
            [f"{one}.{other}", f"{one[0]}{other}", f"{one}{other}{number}", f"{one}_{other}"]
        )
        return self._free(local, f"@{domain or self.luck.choice(FREE)}")

    def address(self, country: str) -> Customer:
        """Make an address; parts of it may be missing."""
        locale = _locales()[country]
        street = locale["street"].format(
            house=self.luck.randrange(1, 300),
            word=self.luck.choice(locale["streets"].split()),
            kind=self.luck.choice(locale["kinds"].split()),
        )
        return {
            "line1": self.often(0.8) * street,
            "city": self.luck.choice(locale["cities"].split()),
            "postal": self.often(0.9) * self.pattern(locale["postal"]),
            "country": country,
        }

    def pattern(self, text: str) -> str:
        """Put digits for # and capital letters for @."""
        kinds = {"#": "0123456789", "@": "ABCDEFGHJKLMNPRSTUWXY"}
        return "".join(self.luck.choice(kinds[sign]) if sign in kinds else sign for sign in text)

    def often(self, share: float) -> int:
        """Return 1 in `share` of all cases and 0 in the others."""
        return int(self.luck.random() < share)

    def mistyped(self, text: str) -> str:
        """Exchange, leave out, double or mistake one sign of `text`."""
        if len(text) < 4:
            return text
        place = self.luck.randrange(1, len(text) - 2)
        before, one, other, after = text[:place], text[place], text[place + 1], text[place + 2 :]
        wrong = self.luck.choice("0123456789" if one.isdigit() else "aeinorst")
        return before + self.luck.choice([other + one, other, one + one + other, wrong + other]) + after


def _is_company(told: Customer, one: Customer) -> bool:
    return bool(one["company"]) and told["name"] == one["company"]


def _nickname(world: World, told: Customer, one: Customer) -> None:
    if not _is_company(told, one):
        given, _, surname = told["name"].partition(" ")
        told["name"] = f"{NICKNAMES.get(given, given[0] + '.')} {surname}"


def _order(world: World, told: Customer, one: Customer) -> None:
    if not _is_company(told, one):
        given, _, surname = told["name"].partition(" ")
        told["name"] = f"{surname}, {given}"


def _married(world: World, told: Customer, one: Customer) -> None:
    if not _is_company(told, one):
        told["name"] = f"{told['name'].partition(' ')[0]} {world.surname(one['country'])}"


def _form(world: World, told: Customer, one: Customer) -> None:
    if _is_company(told, one):
        told["name"] = told["name"].rpartition(" ")[0]


def _contact(world: World, told: Customer, one: Customer) -> None:
    told["name"] = one["contact"]


def _other_mail(world: World, told: Customer, one: Customer) -> None:
    given, _, surname = one["contact"].partition(" ")
    told |= {"email": world.email(given, surname, ""), "domain": ""}


def _tag(world: World, told: Customer, one: Customer) -> None:
    told["email"] = told["email"].replace("@", "+shop@").title()


def _field(name: str, change: Callable[[World, str], str]) -> Callable[[World, Customer, Customer], None]:
    def changed(world: World, told: Customer, one: Customer) -> None:
        told[name] = change(world, told[name])

    return changed


def _mail_mistyped(world: World, mail: str) -> str:
    local, at, domain = mail.partition("@")
    return world.mistyped(local) + at + domain


def _digits(world: World, phone: str) -> str:
    return "".join(filter(str.isdigit, phone))


def _nothing(world: World, value: str) -> str:
    return ""


def _moved(world: World, told: Customer, one: Customer) -> None:
    told |= world.address(one["country"])


def _other_phone(world: World, told: Customer, one: Customer) -> None:
    told["phone"] = world.pattern(_locales()[one["country"]]["phone"])


CHANGES: tuple[tuple[Callable[[World, Customer, Customer], None], float], ...] = (
    (_contact, 0.08),
    (_form, 0.15),
    (_nickname, 0.1),
    (_married, 0.03),
    (_order, 0.05),
    (_field("name", lambda world, name: world.mistyped(name)), 0.15),
    (_field("name", lambda world, name: world.luck.choice([name.upper(), name.lower()])), 0.1),
    (_other_mail, 0.16),
    (_tag, 0.1),
    (_field("email", _mail_mistyped), 0.06),
    (_field("email", _nothing), 0.12),
    (_other_phone, 0.1),
    (_field("phone", _digits), 0.5),
    (_field("phone", _nothing), 0.15),
    (_moved, 0.09),
    (_field("line1", lambda world, line: world.mistyped(line)), 0.2),
    (_field("line1", _nothing), 0.08),
    (_field("postal", lambda world, postal: world.mistyped(postal)), 0.05),
    (_field("city", _nothing), 0.1),
)


def _household(world: World, one: Customer) -> Customer:
    own, _, surname = one["contact"].partition(" ")
    given = next(given for given in iter(lambda: world.given(one["country"]), "") if given != own)
    kept = {field: one[field] for field in ("phone", "line1", "city", "postal", "country")}
    return kept | {"name": f"{given} {surname}", "email": world.email(given, surname, ""), "domain": ""}


def _namesake(world: World, one: Customer) -> Customer:
    given, _, surname = one["contact"].partition(" ")
    other = world.customer(one["country"])
    return world._asked(other) | {
        "name": one["contact"],
        "email": world.email(given, surname, ""),
        "domain": "",
    }


def _colleague(world: World, one: Customer) -> Customer:
    given, surname = world.given(one["country"]), world.surname(one["country"])
    other = world.customer(one["country"]) | {"domain": one["domain"]}
    if one["domain"]:
        other |= {field: one[field] for field in ("line1", "city", "postal")}
    return world._asked(other) | {
        "name": f"{given} {surname}",
        "email": world.email(given, surname, one["domain"]),
    }


def _branch(world: World, one: Customer) -> Customer:
    other = world.customer(one["country"])
    mail = f"{plain(other['city'])}@{one['domain']}" if one["domain"] else other["email"]
    return world._asked(other) | {"name": one["name"], "email": mail, "domain": one["domain"]}


def _switchboard(world: World, one: Customer) -> Customer:
    other = world.customer(one["country"])
    return world._asked(other) | {field: one[field] for field in ("phone", "city", "postal")}


LOOKALIKE: dict[str, Callable[[World, Customer], Customer]] = {
    "household": _household,
    "namesake": _namesake,
    "colleague": _colleague,
    "branch": _branch,
    "switchboard": _switchboard,
}
