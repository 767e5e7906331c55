"""This module holds how much each level of each field says, in bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("weights.json")
_GRAIN = 64  # parts of a bit; sums of such parts are exact, in whatever order


@dataclass(frozen=True, slots=True)
class Weight:
    """What a level says where one record has the value, and how much less with each doubling of records."""

    bits: float
    per_doubling: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of all levels, by field, and what is to be believed before any field is looked at."""

    prior: float
    levels: Mapping[str, Mapping[str, Weight]]

    def bits(self, field: str, level: str, commonness: float = 0.0) -> float:
        """
        Return what `level` of `field` says, in 64ths of a bit; a level that has no weight says nothing.

        However common a value is, that it is shared never speaks against two records.
        """
        weight = self.levels.get(field, {}).get(level)
        if weight is None:
            return 0.0
        return _grained(max(weight.bits - weight.per_doubling * commonness, min(weight.bits, 0.0)))

    @property
    def before(self) -> float:
        """What is believed of a candidate beforehand, in 64ths of a bit."""
        return _grained(self.prior)

    def as_json(self) -> dict[str, Any]:
        """Return the weights as `from_json` takes them."""
        return {
            "prior": self.prior,
            "levels": {
                field: {level: [weight.bits, weight.per_doubling] for level, weight in levels.items()}
                for field, levels in self.levels.items()
            },
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Weights:
        """
        Return the weights that `told` holds.

        :raises KeyError, TypeError, ValueError: if it is not what `as_json` returns
        """
        return cls(
            float(told["prior"]),
            {
                field: {level: Weight(float(bits), float(less)) for level, (bits, less) in levels.items()}
                for field, levels in told["levels"].items()
            },
        )


@cache
def usual() -> Weights:
    """Return the weights that hold until people's decisions have taught others, read once."""
    return Weights.from_json(json.loads(_FILE.read_text(encoding="utf-8")))


def _grained(bits: float) -> float:
    return round(bits * _GRAIN) / _GRAIN
