"""This module writes a tiny language model of random weights, and works out its vectors by plain loops."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEADS, LAYERS, PLACES = 8, 2, 2, 64
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "pay",
    "##ment",
    "date",
    "paid",
    "at",
    "name",
    "a",
    "##b",
    "##c",
    "-",
]

Row = list[float]
Weights = dict[str, list[Row]]  # a vector is a matrix of one row


def weights(seed: int = 7) -> Weights:
    """Return random weights by the names that the model's have."""
    dice = random.Random(seed)

    def some(rows: int, columns: int = WIDTH, around: float = 0.0) -> list[Row]:
        return [[around + dice.gauss(0, 0.4) for _ in range(columns)] for _ in range(rows)]

    told = {
        "embeddings.word_embeddings.weight": some(len(PIECES)),
        "embeddings.position_embeddings.weight": some(PLACES),
        "embeddings.token_type_embeddings.weight": some(2),
        "embeddings.LayerNorm.weight": some(1, around=1.0),
        "embeddings.LayerNorm.bias": some(1),
    }
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            told |= {
                f"{layer}.attention.{name}.weight": some(WIDTH),
                f"{layer}.attention.{name}.bias": some(1),
            }
        told |= {
            f"{layer}.intermediate.dense.weight": some(2 * WIDTH),
            f"{layer}.intermediate.dense.bias": some(1, 2 * WIDTH),
            f"{layer}.output.dense.weight": some(WIDTH, 2 * WIDTH),
            f"{layer}.output.dense.bias": some(1),
        }
        for name in ("attention.output", "output"):
            told |= {
                f"{layer}.{name}.LayerNorm.weight": some(1, around=1.0),
                f"{layer}.{name}.LayerNorm.bias": some(1),
            }
    return told


def write(folder: Path, told: Weights) -> None:
    """Write the files of a model with the weights `told` into `folder`."""
    head, numbers = {}, b""
    for name, rows in told.items():
        flat = [number for row in rows for number in row]
        one_row = name.endswith(("bias", "LayerNorm.weight"))
        packed = struct.pack(f"<{len(flat)}f", *flat)
        head[name] = {
            "dtype": "F32",
            "shape": [len(rows[0])] if one_row else [len(rows), len(rows[0])],
            "data_offsets": [len(numbers), len(numbers) + len(packed)],
        }
        numbers += packed
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + numbers)
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": HEADS}))
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")


def vector(told: Weights, numbers: Sequence[int]) -> Row:
    """Return the vector of a text by the numbers of its pieces, one number after the other."""
    words, places, kinds = (
        told[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
    )
    rows = [
        [words[number][k] + places[place][k] + kinds[0][k] for k in range(WIDTH)]
        for place, number in enumerate(numbers)
    ]
    rows = [_normed(told, "embeddings", row) for row in rows]
    for number in range(LAYERS):
        rows = _layer(told, f"encoder.layer.{number}", rows)
    mean = [sum(row[k] for row in rows) / len(rows) for k in range(WIDTH)]
    length = math.sqrt(sum(number**2 for number in mean))
    return [number / length for number in mean]


def _layer(told: Weights, name: str, rows: list[Row]) -> list[Row]:
    query, key, value = (
        [_times(told, f"{name}.attention.self.{part}", row) for row in rows]
        for part in ("query", "key", "value")
    )
    size, found = WIDTH // HEADS, []
    for here, row in enumerate(rows):
        taken: Row = []
        for head in range(HEADS):
            of_head = range(head * size, (head + 1) * size)
            scores = [sum(query[here][k] * other[k] for k in of_head) / math.sqrt(size) for other in key]
            powers = [math.exp(score) for score in scores]
            taken += [
                sum(power * other[k] for power, other in zip(powers, value, strict=True)) / sum(powers)
                for k in of_head
            ]
        mixed = _times(told, f"{name}.attention.output.dense", taken)
        own = _normed(told, f"{name}.attention.output", [a + b for a, b in zip(row, mixed, strict=True)])
        wide = [
            x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in _times(told, f"{name}.intermediate.dense", own)
        ]
        narrow = _times(told, f"{name}.output.dense", wide)
        found.append(_normed(told, f"{name}.output", [a + b for a, b in zip(own, narrow, strict=True)]))
    return found


def _times(told: Mapping[str, list[Row]], name: str, row: Row) -> Row:
    matrix, bias = told[f"{name}.weight"], told[f"{name}.bias"][0]
    return [
        sum(a * b for a, b in zip(line, row, strict=True)) + c for line, c in zip(matrix, bias, strict=True)
    ]


def _normed(told: Mapping[str, list[Row]], name: str, row: Row) -> Row:
    stretch, move = told[f"{name}.LayerNorm.weight"][0], told[f"{name}.LayerNorm.bias"][0]
    mean = sum(row) / len(row)
    spread = math.sqrt(sum((number - mean) ** 2 for number in row) / len(row))
    return [(a - mean) / spread * b + c for a, b, c in zip(row, stretch, move, strict=True)]
