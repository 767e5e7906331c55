"""This module takes texts apart into the pieces of words that a BERT model without capitals knows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

MOST = 64  # pieces of a text that are read; names and labels have a few
_LONGEST_TEXT = 1_000  # characters of it
_LONGEST_WORD = 100  # characters; a longer word is unknown
_UNKNOWN, _BEGIN, _END = "[UNK]", "[CLS]", "[SEP]"

# Scripts that put no blanks between words: each character is a word of its own.
_APART = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """
    A list of pieces, by which texts are taken apart: the longest piece first, `##` inside of a word.

    Texts are read as the model was taught: https://github.com/google-research/bert#tokenization
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        """
        Take the pieces in the order of their numbers.

        :raises KeyError: if the marks for an unknown word, the begin or the end are not among them
        """
        self.size = len(pieces)
        self._numbers = {piece: number for number, piece in enumerate(pieces)}
        self._unknown, self._begin, self._end = (self._numbers[one] for one in (_UNKNOWN, _BEGIN, _END))

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of the pieces in `text`, between the marks of its begin and its end."""
        found = [number for word in words_of(text[:_LONGEST_TEXT]) for number in self._of_word(word)]
        return [self._begin, *found[: MOST - 2], self._end]

    def _of_word(self, word: str) -> list[int]:
        found, begin = [], 0
        while begin < len(word) <= _LONGEST_WORD:
            mark = "##" if begin else ""
            for end in range(len(word), begin, -1):
                number = self._numbers.get(mark + word[begin:end])
                if number is not None:
                    found.append(number)
                    begin = end
                    break
            else:
                return [self._unknown]
        return found or [self._unknown]


def words_of(text: str) -> list[str]:
    """Return the words in `text` without capitals and accents; each sign of punctuation is one too."""
    plain = unicodedata.normalize("NFD", text)
    return "".join(_spaced(plain)).lower().split()


def _spaced(text: str) -> Iterator[str]:
    for one in text:
        kind = unicodedata.category(one)
        if kind == "Mn" or one == "\ufffd":
            continue
        if one.isspace():
            yield " "
        elif kind.startswith("C"):
            continue
        elif _is_punctuation(one, kind) or any(first <= ord(one) <= last for first, last in _APART):
            yield f" {one} "
        else:
            yield one


def _is_punctuation(one: str, kind: str) -> bool:
    # Signs such as $ and + are no punctuation to Unicode, but are to the model.
    return kind.startswith("P") or (one.isascii() and not one.isalnum())
