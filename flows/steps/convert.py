"""This module converts an amount into another currency, by the rate of its day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.engine.item import Item, Note
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp, Pause
from flows.engine.ports import Ports, Rate
from flows.mapping.failure import quoted
from flows.mapping.reading import Paths, Read, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from integrator.kernel.money import UnknownCurrency, currency_of

UNTIL_LOOKED_AGAIN = timedelta(hours=1)
NO_RATE = "There is no rate from "  # so begins the reason of a run that waits for one
LARGEST_AMOUNT = 2**63 - 1  # minor units
_LAST_DAY = int(datetime(4000, 1, 1, tzinfo=UTC).timestamp())

# Far more digits than any amount and rate have together, so that only the last step rounds.
_EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)


class ConvertSettings(BaseModel):
    """Which amount is converted, into what, and by the rate of which day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Paths = Field(
        json_schema_extra=shown("Amount", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the amount is read, in cents or what the currency has instead.",
    )
    currency: Paths = Field(
        json_schema_extra=shown("Currency of the amount", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where its currency is read.",
    )
    into: str = Field(
        json_schema_extra=shown("Convert into", offers="currencies"),
        description="The currency that it is converted into, such as EUR.",
    )
    day: Paths = Field(
        json_schema_extra=shown("Day of the rate", offers="paths", add="Add a fallback"),
        default=[],
        description="Where the time is read whose day's rate is taken, as Stripe writes times. Without it, "
        "it is today's.",
    )
    max_age_days: int = Field(
        json_schema_extra=shown("Oldest rate, in days", more=True),
        default=7,
        ge=0,
        le=366,
        description="How many days older than that a rate may be. An older one counts as missing, and the "
        "run waits until there is a newer one.",
    )

    @field_validator("into")
    @classmethod
    def _is_known(cls, into: str) -> str:
        try:
            currency_of(into)
        except UnknownCurrency as error:
            raise ValueError(str(error)) from None
        return into.upper()


class Convert(StepKind):
    """Convert an amount by the rate of its day; without one the run waits and administrators are told."""

    slug: ClassVar[str] = "currency.convert"
    label: ClassVar[str] = "Convert an amount"
    settings_model = ConvertSettings
    nature: ClassVar[Nature] = "reads"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the conversion as a function over a batch."""
        reader = _Reader(
            first_of(settings.amount),
            first_of(settings.currency),
            first_of(settings.day) if settings.day else None,
        )

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            rates = _Rates(ports, settings.into, settings.max_age_days)
            return [_convert(item, reader, rates) for item in batch]

        return step


class _Reader(NamedTuple):
    """What an amount is read with."""

    amount: Read
    currency: Read
    day: Read | None


class _Amount(NamedTuple):
    """What is converted."""

    minor: int
    currency: str
    day: date


class _Rates:
    """The rates into one currency, each looked up once for a batch."""

    def __init__(self, ports: Ports, into: str, max_age_days: int) -> None:
        self.into = into
        self.now = ports.now()
        self._ports = ports
        self._oldest = timedelta(days=max_age_days)
        self._known: dict[tuple[str, date], Rate | None] = {}

    def of(self, currency: str, day: date) -> Rate | None:
        """Return the rate of `currency`, unless there is none or it is too old."""
        if currency == self.into:
            return Rate(Decimal(1), day, "the same currency")
        if (currency, day) not in self._known:
            self._known[currency, day] = self._ports.rate(currency, self.into, day)
        rate = self._known[currency, day]
        return rate if rate is not None and day - rate.day <= self._oldest else None


def converted(minor: int, currency: str, into: str, rate: Decimal) -> int:
    """
    Return `minor` units of `currency` in minor units of `into`, rounded half to even.

    :raises UnknownCurrency: if the decimals of one of them are not known
    """
    shift = currency_of(into).exponent - currency_of(currency).exponent
    exact = _EXACT.scaleb(_EXACT.multiply(Decimal(minor), rate), shift)
    return int(_EXACT.to_integral_value(exact))


def _convert(item: Item, reader: _Reader, rates: _Rates) -> Answer:
    read = _read(item, reader, rates)
    if not isinstance(read, _Amount):
        return read
    rate = rates.of(read.currency, read.day)
    if rate is None:
        return _wait(item, read, rates)
    output = {
        "amount": converted(read.minor, read.currency, rates.into, rate.rate),
        "currency": rates.into,
        "rate": rate.rate,
        "rate_day": rate.day.isoformat(),
        "source": rate.source,
    }
    return Done(output, seen={"amount": read.minor, "currency": read.currency})


def _read(item: Item, reader: _Reader, rates: _Rates) -> _Amount | GiveUp:
    minor, currency = reader.amount(item.context), reader.currency(item.context)
    if type(minor) is not int or abs(minor) > LARGEST_AMOUNT:
        return _bad("amount", "not_a_number", f"{quoted(minor)} is not an amount in minor units")
    try:
        currency_of(currency)
    except UnknownCurrency:
        return _bad("currency", "unknown_currency", f"The decimals of {quoted(currency)} are not known")
    seconds = reader.day(item.context) if reader.day is not None else int(rates.now.timestamp())
    if type(seconds) is not int or not 0 <= seconds < _LAST_DAY:
        return _bad("day", "not_a_number", f"{quoted(seconds)} is not a Unix time")
    return _Amount(minor, currency.upper(), datetime.fromtimestamp(seconds, UTC).date())


def _bad(field: str, code: str, message: str) -> GiveUp:
    return GiveUp(message, Failure("data", message, code=code, field=field))


def _wait(item: Item, wanted: _Amount, rates: _Rates) -> Pause:
    pair = f"{wanted.currency} to {rates.into}"
    title = f"{NO_RATE}{pair} for {wanted.day.isoformat()}"
    text = "Runs wait until there is one. Add it to the rates, or import the rates of that day."
    key = f"missing_rate:{wanted.currency}:{rates.into}:{wanted.day.isoformat()}"
    item.notes.append(Note(key, "missing_rate", "warning", title, text))
    return Pause(rates.now + UNTIL_LOOKED_AGAIN, title, holds="run")
