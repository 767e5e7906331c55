"""This module reads the tensors of a safetensors file as views of the file, which processes share."""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_LONGEST_HEAD = 1024 * 1024
_NUMBER = np.dtype("<f4")


class Unreadable(ValueError):
    """A file of the model is not what it has to be."""


def read(path: Path) -> dict[str, Array]:
    """
    Return the tensors of 32 bit numbers in the file at `path` by their names; others are left out.

    The file begins with the length of a JSON head, which tells the type, form and place of each tensor:
    https://huggingface.co/docs/safetensors/index#format

    :raises Unreadable: if the file is not of that form, or ends too early
    :raises OSError: if it cannot be opened
    """
    with path.open("rb") as file:
        try:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError:  # a file without any content cannot be mapped
            raise Unreadable(f"{path.name} is empty.") from None
    begin = 8 + int.from_bytes(data[:8], "little")
    if begin > min(len(data), _LONGEST_HEAD):
        raise Unreadable(f"The head of {path.name} is longer than it may be.")
    try:
        head = json.loads(bytes(data[8:begin]))
        told = {name: one for name, one in head.items() if name != "__metadata__" and one["dtype"] == "F32"}
        return {name: _tensor(data[begin:], one) for name, one in told.items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unreadable(f"{path.name} is damaged: {error}") from None


def _tensor(numbers: memoryview, told: Mapping[str, Any]) -> Array:
    begin, end = told["data_offsets"]
    shape = tuple(told["shape"])
    if not 0 <= begin <= end <= len(numbers) or end - begin != math.prod(shape) * _NUMBER.itemsize:
        raise ValueError("a tensor has another length than its form tells")
    return np.frombuffer(numbers[begin:end], dtype=_NUMBER).reshape(shape)
