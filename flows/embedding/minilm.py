"""This module is a small BERT model (all-MiniLM-L6-v2) that turns texts into vectors, written with numpy."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.embedding import tensors
from flows.embedding.tensors import Array, Unreadable
from flows.embedding.wordpiece import MOST, WordPiece

CONFIG, PIECES, WEIGHTS = "config.json", "vocab.txt", "model.safetensors"
FILES = (CONFIG, PIECES, WEIGHTS)
_BATCH = 32  # texts that are worked out together


def load(folder: Path) -> MiniLM:
    """
    Return the model whose files lie in `folder`.

    :raises Unreadable: if a file is not what it has to be
    :raises OSError: if one cannot be opened
    """
    weights = tensors.read(folder / WEIGHTS)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        pieces = (folder / PIECES).read_text(encoding="utf-8").rstrip("\n").split("\n")
        return MiniLM(weights, WordPiece(pieces), heads=config["num_attention_heads"])
    except (ValueError, LookupError, TypeError) as error:
        raise Unreadable(f"The model in {folder.name} is not complete: {error}") from None


@dataclass(frozen=True, slots=True)
class _Linear:
    """A matrix and what is added after it."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        return x @ self.weight.T + self.bias


@dataclass(frozen=True, slots=True)
class _Norm:
    """Each row moved to a mean of 0 and a variance of 1, then stretched and moved as was learnt."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + 1e-12)
        told: Array = centred / spread * self.weight + self.bias
        return told


class _Weights:
    """The tensors of a model, by what they belong to."""

    def __init__(self, tensors: Mapping[str, Array], *, hidden: int) -> None:
        self._tensors, self._hidden = tensors, hidden

    def linear(self, name: str, *, wide_in: int = 1, wide_out: int = 1) -> _Linear:
        """Return a matrix between widths that are multiples of the model's own."""
        out = self._hidden * wide_out
        return _Linear(self._of(f"{name}.weight", out, self._hidden * wide_in), self._of(f"{name}.bias", out))

    def norm(self, name: str) -> _Norm:
        """Return what is done to each row after a part."""
        name = f"{name}.LayerNorm"
        return _Norm(self._of(f"{name}.weight", self._hidden), self._of(f"{name}.bias", self._hidden))

    def _of(self, name: str, *shape: int) -> Array:
        found = self._tensors[name]
        if found.shape != shape:
            raise ValueError(f"{name} has the form {found.shape}, not {shape}")
        return found


class _Layer:
    """One layer: what each piece takes from the others, then what it makes of that."""

    def __init__(self, weights: _Weights, name: str, *, heads: int, wide: int) -> None:
        self._heads = heads
        own = f"{name}.attention.self"
        self._query, self._key, self._value = (
            weights.linear(f"{own}.{one}") for one in ("query", "key", "value")
        )
        self._mixed = weights.linear(f"{name}.attention.output.dense")
        self._mixed_norm = weights.norm(f"{name}.attention.output")
        self._widened = weights.linear(f"{name}.intermediate.dense", wide_out=wide)
        self._narrowed = weights.linear(f"{name}.output.dense", wide_in=wide)
        self._norm = weights.norm(f"{name}.output")

    def __call__(self, x: Array, texts: int) -> Array:
        """Return what becomes of `x`, the pieces of so many texts of one length, one below the other."""
        x = self._mixed_norm(x + self._mixed(self._attended(x, texts)))
        return self._norm(x + self._narrowed(_gelu(self._widened(x))))

    def _attended(self, x: Array, texts: int) -> Array:
        query, key, value = (
            part(x).reshape(texts, len(x) // texts, self._heads, -1).transpose(0, 2, 1, 3)
            for part in (self._query, self._key, self._value)
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(math.sqrt(query.shape[-1]))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        told: Array = (shares @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        return told


class MiniLM:
    """A model that says which vector a text has; texts that mean the same have vectors that are near."""

    def __init__(self, tensors: Mapping[str, Array], words: WordPiece, *, heads: int) -> None:
        """
        Take the weights, the pieces of words that have one, and how many heads each layer has.

        :raises LookupError: if a weight is missing
        :raises ValueError: if one is of another form than it has to be
        """
        self._words = words
        self._pieces = tensors["embeddings.word_embeddings.weight"]
        self._places = tensors["embeddings.position_embeddings.weight"]
        self._kind = tensors["embeddings.token_type_embeddings.weight"][0]
        self.width = self._pieces.shape[1]
        known, places = len(self._pieces), len(self._places)
        if self.width % heads or known < words.size or places < MOST or self._kind.shape != (self.width,):
            raise ValueError("The parts of the model do not fit together")
        weights = _Weights(tensors, hidden=self.width)
        self._norm = weights.norm("embeddings")
        wide = len(tensors["encoder.layer.0.intermediate.dense.bias"]) // self.width
        self._layers: list[_Layer] = []
        while f"encoder.layer.{len(self._layers)}.output.dense.weight" in tensors:
            name = f"encoder.layer.{len(self._layers)}"
            self._layers.append(_Layer(weights, name, heads=heads, wide=wide))

    def __call__(self, texts: Sequence[str]) -> Array:
        """Return a vector of the length 1 for each of `texts`."""
        told = [self._words.numbers(text) for text in texts]
        alike: dict[int, list[int]] = defaultdict(list)  # texts of one length need no filling
        for place, numbers in enumerate(told):
            alike[len(numbers)].append(place)
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for places in alike.values():
            for begin in range(0, len(places), _BATCH):
                some = places[begin : begin + _BATCH]
                vectors[some] = self._of([told[place] for place in some])
        return vectors

    def _of(self, rows: list[list[int]]) -> Array:
        numbers = np.array(rows)
        texts, length = numbers.shape
        x = self._pieces[numbers] + self._places[:length] + self._kind
        x = self._norm(x.reshape(texts * length, self.width))
        for layer in self._layers:
            x = layer(x, texts)
        mean: Array = x.reshape(texts, length, self.width).mean(axis=1)
        told: Array = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return told


def _gelu(x: Array) -> Array:
    told: Array = x * (1 + _erf(x * np.float32(math.sqrt(0.5)))) * np.float32(0.5)
    return told


def _erf(x: Array) -> Array:
    """
    Return the error function, which numpy does not have, to some seven digits.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
    """
    size = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * size)
    sum_ = np.zeros_like(t)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        sum_ = (sum_ + np.float32(factor)) * t
    told: Array = np.copysign(1 - sum_ * np.exp(-size * size), x)
    return told
