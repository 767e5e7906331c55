"""
This module takes phone numbers apart: the calling code of a country, and the number within it.

What is known of the world's numbers is `phonenumbers`'. It is loaded with the first number and reads only the
countries that occur, so that a process which compares nobody does without it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any, NamedTuple

_LEAST = 6  # digits; fewer are an extension or a mistake
_LONGEST = 20  # digits with the extension
_LONGEST_EXTENSION = 6  # digits; more behind a number are another one
_LONGEST_USUAL = 14  # digits of a number that is not looked at any closer
_WITHOUT_CODE = 8  # digits that are a number of their own, also without the calling code before them
_KEPT = 1_024  # numbers whose parts are kept: a look-up asks several times for the same

_RUN = re.compile(r"(\+?)[\s(]*([0-9](?:[\s().\-/\u2010-\u2015]*[0-9])*)")
_NO_DIGIT = re.compile(r"[^0-9]+")


class Phone(NamedTuple):
    """A phone number; both are empty where there is none."""

    number: str = ""  # the digits within its country without zeros in front, with an extension at the end
    code: str = ""  # the calling code of its country, where the number itself or the record tells


NONE = Phone()


@lru_cache(maxsize=_KEPT)
def phone_of(text: str, country: str) -> Phone:
    """
    Return the phone number in `text`, of a record of `country` (two capital letters; empty if not known).

    A number tells its country itself by a + or 00 before it; one without goes by the record's country. What
    is no number is none, however strange.
    """
    told = _told(text)
    if told is None:
        return NONE
    digits, extension = told
    found = _within(digits, country) or Phone(digits.lstrip("+0"))
    number = (found.number + extension)[:_LONGEST]
    return Phone(number, found.code) if len(number) >= _LEAST else NONE


def _told(text: str) -> tuple[str, str] | None:
    """Return the digits of the first number in `text`, with a + before them, and those of its extension."""
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", text)
        text = "".join(str(unicodedata.decimal(sign, sign)) for sign in plain)
    for run in _RUN.finditer(text):
        digits = _NO_DIGIT.sub("", run[2])
        if len(digits) >= _LEAST:
            extension = _NO_DIGIT.sub("", text[run.end() :])
            return run[1] + digits, extension if len(extension) <= _LONGEST_EXTENSION else ""
    return None


def _within(digits: str, country: str) -> Phone | None:
    """Return a number within its country; nothing where nobody tells which that is."""
    is_told = digits.startswith(("+", "00"))
    if not is_told and country not in _library().countries:
        return None
    quick = _abroad(digits) if digits[0] == "+" else _at_home(digits, country)
    return quick or _thoroughly(digits, country)


def _thoroughly(digits: str, country: str) -> Phone | None:
    """Return the same by the library's own way, which takes a tenth of a millisecond."""
    found = _parsed(digits, country)
    if digits.startswith("00") and not (found and found.country_code_source == _library().IDD):
        found = _parsed(f"+{digits[2:]}", "") or found
    if found is None:
        return None
    code, number = str(found.country_code), str(found.national_number)
    if _begins_with_code(digits, number, code) and not _library().is_valid(found):
        number = number[len(code) :].lstrip("0")
    return Phone(number, code)


def _begins_with_code(digits: str, number: str, code: str) -> bool:
    """Tell whether a number may have its calling code before it, without a + that says so."""
    return digits == number and number.startswith(code) and len(number) >= len(code) + _WITHOUT_CODE


def _parsed(digits: str, country: str) -> Any:
    """Return what the library makes of a number; nothing if it knows neither its country nor its length."""
    library = _library()
    try:
        return library.parse(digits, country or None, keep_raw_input=True)
    except library.NoNumber:
        return None


# Most numbers are plain, and what the library would say of them is a look or two at its data. Whatever needs
# more than that is left to it.


class _Area(NamedTuple):
    """What is looked at of the numbers of a country, or of those that share a calling code."""

    code: str
    prefix: re.Pattern[str] | None  # before a number that is called within the country; it may be part of it
    abroad: re.Pattern[str] | None  # before one that is called from there in another country
    numbers: re.Pattern[str]
    has_more: bool  # whether the prefix says more than that it is one, such as who carries the call


def _abroad(digits: str) -> Phone | None:
    """Return a number that tells its country by a +, if it is plain."""
    areas = ((size, _area_behind(digits[1 : 1 + size])) for size in (1, 2, 3))
    size, area = next(((size, area) for size, area in areas if area is not None), (0, None))
    return _without_prefix(digits[1 + size :], area) if area else None


def _at_home(digits: str, country: str) -> Phone | None:
    """Return a number as it is called within its country, if it is plain."""
    area = _area_of(country)
    if area is None or digits.startswith(("00", area.code)) or (area.abroad and area.abroad.match(digits)):
        return None
    return _without_prefix(digits, area)


def _without_prefix(digits: str, area: _Area) -> Phone | None:
    found = area.prefix.match(digits) if area.prefix else None
    number = digits[found.end() :] if found else digits
    if found and (area.has_more or not area.numbers.fullmatch(number)):
        return None
    number = number.lstrip("0")
    return Phone(number, area.code) if _LEAST <= len(number) <= _LONGEST_USUAL else None


@cache
def _area_of(country: str) -> _Area | None:
    """Return what is known of the numbers of a country; nothing of one that there is not."""
    return _read(_library().of_country(country)) if country in _library().countries else None


@cache
def _area_behind(code: str) -> _Area | None:
    """Return what is known of the numbers behind a calling code; nothing if there is no such code."""
    countries = _library().codes.get(int(code)) if code.isdecimal() and code[0] != "0" else None
    return _read(_library().of_code(int(code), countries[0])) if countries else None


def _read(told: Any) -> _Area | None:
    if told is None:
        return None
    prefix = told.national_prefix_for_parsing
    return _Area(
        code=str(told.country_code),
        prefix=re.compile(prefix) if prefix else None,
        abroad=re.compile(told.international_prefix) if told.international_prefix else None,
        numbers=re.compile(told.general_desc.national_number_pattern),
        has_more=bool(told.national_prefix_transform_rule or (prefix and re.compile(prefix).groups)),
    )


class _Library:
    """What is used of `phonenumbers`."""

    def __init__(self) -> None:
        import phonenumbers  # noqa: PLC0415  # it takes memory of each process that loads it

        self.NoNumber = phonenumbers.NumberParseException
        self.IDD = phonenumbers.CountryCodeSource.FROM_NUMBER_WITH_IDD
        self.parse = phonenumbers.parse
        self.is_valid = phonenumbers.is_valid_number
        self.countries = phonenumbers.SUPPORTED_REGIONS
        self.codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
        self.of_country = phonenumbers.PhoneMetadata.metadata_for_region
        self.of_code = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code


@cache
def _library() -> _Library:
    return _Library()
