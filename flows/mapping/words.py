"""This module splits the text of an expression into words, and finds the paths that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from integrator.kernel.paths import quote

Kind = Literal["name", "text", "number", "sign"]

# How CEL is written: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
_WORD = re.compile(
    r"""
      (?P<space>[\t\n\f\r ]+|//[^\n]*)
    | (?P<text>[rRbB]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''
        |"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*'))
    | (?P<number>0[xX][0-9a-fA-F]+[uU]?|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[uU]?|\.[0-9]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>&&|\|\||[=!<>]=|\[\?|\.\?|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_TEXT = re.compile(r"""["']([^\\"']*)["']""")

# Macros that give each element, or the value of an optional, a name of its own.
LOOPS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
OPENERS: Final = frozenset({"optMap", "optFlatMap"})
# Names that stand for types, or before a dot for a group of functions.
RESERVED: Final = frozenset(
    {
        "bool", "bytes", "double", "duration", "dyn", "false", "in", "int", "list", "map", "null",
        "null_type", "optional_type", "string", "timestamp", "true", "type", "uint",
    }
)  # fmt: skip


class Word(NamedTuple):
    """One word of an expression and where it stands."""

    kind: Kind
    text: str
    start: int
    end: int


# How a path is named: as it is; with ?., so that it may be missing; by has(), which asks whether it is there;
# by metadata(), which is null where it is not; or as one name alone, which is a whole object.
Form = Literal["plain", "optional", "asked", "metadata", "root"]


class Named(NamedTuple):
    """A path that an expression names; `text` is how mapping lines write it."""

    text: str
    root: str
    form: Form
    start: int
    end: int


class Unreadable(ValueError):
    """A character at `place` begins no word."""

    def __init__(self, place: int) -> None:
        super().__init__("This is not a part of an expression")
        self.place = place


def split(text: str) -> list[Word]:
    """
    Return the words of `text`, without blanks and comments.

    :raises Unreadable: at the first character that begins none, such as a quotation mark that stays open
    """
    words: list[Word] = []
    place = 0
    while place < len(text):
        match = _WORD.match(text, place)
        if match is None:
            raise Unreadable(place)
        kind = match.lastgroup
        if kind in ("name", "text", "number", "sign"):
            words.append(Word(kind, match[0], match.start(), match.end()))  # type: ignore[arg-type]
        place = match.end()
    return words


def plain(word: Word) -> str | None:
    """Return what a quoted text without escapes says; None of any other word."""
    match = _PLAIN_TEXT.fullmatch(word.text) if word.kind == "text" else None
    return match[1] if match else None


def variables(words: Sequence[Word]) -> set[str]:
    """Return the names that macros give to elements."""
    names: set[str] = set()
    for macro, opening, name, comma in zip(words, words[1:], words[2:], words[3:], strict=False):
        is_macro = macro.text in LOOPS | OPENERS and opening.text == "("
        if is_macro and name.kind == "name" and comma.text == ",":
            names.add(name.text)
    return names


def paths(words: Sequence[Word], *, functions: Callable[[str], bool]) -> list[Named]:
    """
    Return every path that `words` name, in order, those of macros' own names left out.

    A path goes on over names behind a dot, quoted names and whole numbers in brackets, as far as they can be
    read without evaluating anything. `functions` tells whether a dotted name is that of a function.
    """
    own = variables(words)
    return [named for named in _paths(words, functions) if named.root not in own]


def _paths(words: Sequence[Word], functions: Callable[[str], bool]) -> Iterator[Named]:
    place = 0
    while place < len(words):
        word = words[place]
        if word.kind != "name" or _at(words, place - 1) in (".", ".?"):
            place += 1
            continue
        found = _metadata(words, place)
        if found is not None:
            place += found[0]
            yield found[1]
            continue
        after, text, optional = _follow(words, place)
        if _at(words, after) == "(":
            if after == place + 1 or functions("".join(part.text for part in words[place:after])):
                place = after
                continue
            after, text, optional = _follow(words, place, before=after - 2)  # the last name is a method's
        if word.text not in RESERVED:
            yield _named(words, place, after, text, optional)
        place = after


def _named(words: Sequence[Word], place: int, after: int, text: str, optional: bool) -> Named:
    root, start, end = words[place].text, words[place].start, words[after - 1].end
    if optional:
        return Named(text, root, "optional", start, end)
    if after == place + 1:
        return Named(text, root, "root", start, end)
    if [_at(words, place - 2), _at(words, place - 1), _at(words, after)] == ["has", "(", ")"]:
        return Named(text, root, "asked", words[place - 2].start, words[after].end)
    return Named(text, root, "plain", start, end)


def _metadata(words: Sequence[Word], place: int) -> tuple[int, Named] | None:
    """Return how many words `metadata(object, "key")` has at `place`, and the path that it names."""
    if words[place].text != "metadata" or _at(words, place + 1) != "(" or place + 6 > len(words):
        return None
    after, text, _ = _follow(words, place + 2)
    if words[place + 2].kind != "name" or [_at(words, after), _at(words, after + 2)] != [",", ")"]:
        return None
    key = plain(words[after + 1])
    if key is None:
        return None
    path = f"{text}.metadata{quote(key)}"
    named = Named(path, words[place + 2].text, "metadata", words[place].start, words[after + 2].end)
    return after + 3 - place, named


def _at(words: Sequence[Word], place: int) -> str:
    return words[place].text if 0 <= place < len(words) else ""


def _follow(words: Sequence[Word], place: int, *, before: int | None = None) -> tuple[int, str, bool]:
    """Return where the path at `place` ends, how lines write it, and whether it may be missing."""
    text, optional = words[place].text, False
    place += 1
    end = len(words) if before is None else before
    while place < end:
        mark = words[place].text
        if mark in (".", ".?") and place + 1 < end and words[place + 1].kind == "name":
            text += f".{words[place + 1].text}"
            optional |= mark == ".?"
            place += 2
            continue
        part = _in_brackets(words, place) if mark in ("[", "[?") else None
        if part is None or place + 3 > end:
            break
        text += part
        optional |= mark == "[?"
        place += 3
    return place, text, optional


def _in_brackets(words: Sequence[Word], place: int) -> str | None:
    """Return the part of a path in brackets at `place`; None where it has to be evaluated first."""
    if _at(words, place + 2) != "]":
        return None
    inside = words[place + 1]
    if inside.kind == "number" and inside.text.isdecimal() and len(inside.text) < 6:
        return f"[{int(inside.text)}]"
    name = plain(inside)
    return quote(name) if name is not None else None
