"""
This module leaves of an error's message only words that say nothing of anybody, for a reader outside.

It is no list of what to mask: such a list always lacks something. A word stays only if it is one of the words
in which this catalogue itself speaks of errors, or if the caller names it, such as a field that the flow's
own mapping writes. All else is left out, whatever it looks like: numbers, ids, addresses, names of people,
whatever stands between quotation marks, and every other language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from flows.error_catalogue import ours, salesforce, stripe
from flows.error_catalogue.rules import Rules

LEFT_OUT: Final = "[…]"
LONGEST = 1_000  # characters of what is left; a message is cut to several times that before it is looked at
_READ = 4_000
_SHORTEST_NAME = 3  # letters of a word that may be capitalised within a sentence

# Between quotation marks of any kind, and between brackets, stands what somebody has entered.
_QUOTED = re.compile(
    r"\"[^\"]*(?:\"|\Z)|“[^”]*(?:”|\Z)|„[^“”]*(?:[“”]|\Z)|«[^»]*(?:»|\Z)|`[^`]*(?:`|\Z)"
    r"|(?<![A-Za-z])['‘][^'’]*(?:['’]|\Z)|\[[^\]]*(?:\]|\Z)|<[^>]*(?:>|\Z)|\{[^}]*(?:\}|\Z)"
)
_TOKEN = re.compile(r"\S+")
_EDGES = ".,:;!?()[]-–—"
_WORD = re.compile(r"[A-Za-z]+(?:'(?:t|s|re|ve))?")
_PARTS = re.compile(r"[-/]")  # between two words that both have to be known
_IN_TEXT = re.compile(r"(?<![A-Za-z{“'_.-])[a-z]{2,}(?![A-Za-z}”'_.-]?[A-Za-z_{])")

# Words that people are called by as well, and that are not needed to say what is wrong.
_CALLED = """
will may mark bill grant rich frank rose grace hope faith joy dawn art pat sue rob jack dean
chase june april august sterling miles carter page summer young long short king baker cook law
max grey brown black white green hall ward lane hill stone wood
"""
# What errors are told with beside the words of the catalogue's own sentences and codes.
_MORE = """
a about above access account action active add after again all allowed already also amount an
and another any apex api are argument as at attempt authentication available be because been
before below between blank body both but by call calls can cannot card cascade case change
changes character characters charge child code column combination company complete concurrent
condition conflict connection contact contains convert could create created credential cross
currency current custom customer data database date de default delete deleted denied depth
dereference describe detected did different digits disabled does done duplicate during each
either empty enabled encountered entity error errors event exceed exceeded exception execution
exist existing exists expected expired expression external failed failure few field fields file
filter flow for foreign format formula found from function has have header id identifier if in
inactive incorrect index input insert instance insufficient integer internal into invalid
invoice is it item items its key large last latest layout length less limit line list locked
lookup made mandatory many match matching maximum message metadata method minimum mismatch
missing mode more most multiple must name names needs no not null number object objects occurred
of on once one only operation option or order org organization other out owner parameter
parameters parent parse parsing payment pending percent permission permissions picklist please
possible present price privileges problem process processing product profile property provide
provided queries query quote range rate reached read reason record records reference refers
refund refused related relationship request requests required resource response restricted
result retry rights role row rows rule rules same save schema script second seconds select
server service session set size some source specified specify started state status step string
subscription such supported supposed syntax system target template test than that the their then
there these they this those through time timeout times to token too total transaction tried
trigger try type types unable undefined unexpected unique unknown unsupported until update
updated used user users using validation value values version violation was were when where
which while with within without you your
"""
# Names of products and things of theirs, which stay in capitals.
_PROPER = frozenset(
    {"Salesforce", "Stripe", "Integrator", "Apex", "Flow", "Flows", "API", "JSON", "ID", "SOQL"}
)
# https://developer.salesforce.com/docs/atlas.en-us.apexcode.meta/apexcode/apex_exception_builtin.htm
_APEX = re.compile(r"System\.(?:Dml|Limit|List|Math|NoAccess|NullPointer|Query|SObject|String|Type)Exception")


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    """Return the words, in small letters, in which errors are spoken of."""
    words = set(_MORE.split())
    for table in (salesforce.CODES, salesforce.EVENT_BUS, stripe.CODES, ours.CODES):
        words |= _words_of(table)
    return frozenset(words - set(_CALLED.split()))


def _words_of(table: Rules) -> set[str]:
    texts = (f"{rule.explanation} {rule.suggestion}" for rules in table.values() for rule in rules)
    spoken = {word for text in texts for word in _IN_TEXT.findall(text)}
    return spoken | {part for code in table for part in code.lower().split("_") if part.isalpha()}


def withheld(message: str, *, keep: Collection[str] = ()) -> str:
    """
    Return what of `message` may be shown to anybody: known words, and the names in `keep` as they stand.

    What is left out in a row is one mark, so that not even its length is told.
    """
    plain = "".join(sign for sign in unicodedata.normalize("NFKC", message[:_READ]) if _is_shown(sign))
    kept = frozenset(keep)
    text = _QUOTED.sub(lambda found: f" {_within_quotes(found.group(), kept)} ", plain)
    out: list[str] = []
    for token in _TOKEN.findall(text):
        said = token if token == LEFT_OUT else _said(token, kept, begins=_begins(out))
        if not (said.startswith(LEFT_OUT) and out and out[-1] == LEFT_OUT):
            out.append(said)
        elif said != LEFT_OUT:
            out[-1] = said
    return " ".join(out)[:LONGEST]


def code_of(code: str) -> str:
    """Return an error's code if it consists of known words alone; otherwise the mark of what is left out."""
    parts = [part for part in re.split(r"[_ .]", code.lower()) if part]
    return code if parts and len(code) <= 100 and all(part in _known() for part in parts) else LEFT_OUT


def _is_shown(sign: str) -> bool:
    """Tell whether a character can be seen, or is a blank: what is invisible would divide a word."""
    return sign.isspace() or unicodedata.category(sign)[0] not in "C"


def _within_quotes(quoted: str, kept: frozenset[str]) -> str:
    inner = quoted.strip("\"'`“”„‘’«»[]<>{} ")
    return inner if inner in kept else LEFT_OUT


def _begins(out: Iterable[str]) -> bool:
    """Tell whether a sentence begins behind what was said already."""
    said = list(out)
    return not said or said[-1][-1] in ".:;!?"


def _said(token: str, kept: frozenset[str], *, begins: bool) -> str:
    """Return a token as it is said outside, with the mark of its sentence behind it."""
    core = token.strip(_EDGES)
    end = token[-1] if token and token[-1] in ".,:;!?" else ""
    if not core:
        return end or LEFT_OUT
    if core in kept or _is_code(core) or _APEX.fullmatch(core):
        return f"{core}{end}"
    words = _PARTS.split(core)
    if all(_WORD.fullmatch(word) and _may_stay(word, begins=begins) for word in words):
        return f"{core}{end}"
    return f"{LEFT_OUT}{end}" if end in (".", ":") else LEFT_OUT


def _is_code(core: str) -> bool:
    return "_" in core and core.isupper() and code_of(core) == core


def _may_stay(word: str, *, begins: bool) -> bool:
    if word in _PROPER:
        return True
    lower = word.lower().partition("'")[0]
    if lower not in _known() and not (word.endswith("n't") and lower[:-1] in _known()):
        return False
    # A known word that begins large within a sentence may be somebody's name.
    return word.islower() or begins or (word.isupper() and len(word) >= _SHORTEST_NAME)
