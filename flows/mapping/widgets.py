"""
This module says how a form shows a setting: what it is called, what is offered for it, where it stands.

What is said stands in the JSON Schema of the settings under `x-form`, so that forms need nothing but the
schema, and a step kind of an installed package may say it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic.config import JsonDict

FORM = "x-form"

# What people may choose from while they type; nothing keeps them from typing something else.
Offers = Literal[
    "objects",  # of the connected org
    "changing_objects",  # those of them whose changes the org tells
    "fields",  # of the object in `of`
    "external_ids",  # those of its fields by which a record is found
    "relations",  # the names under which it refers to other records
    "platform_events",
    "flows",  # active, autolaunched ones of the org
    "sub_flows",  # the other flows of the integration that flows may take
    "sub_flow_inputs",  # what the one in `of` takes
    "paths",  # what the step can read; with `of`, what a Stripe object of that type has
    "places",  # the same, within the braces of a text
    "stripe_objects",
    "stripe_creation",  # parameters of what is created, by its type in `of`
    "stripe_changes",  # the same where it is changed
    "stripe_acts",  # the same of what is done with it, by the act in `of`
    "stripe_filters",  # fields by which the list of the type in `of` is filtered
    "stripe_list_filters",  # the same, and those of times and of yes and no
    "expansions",  # references of the Stripe object of the type in `of`
    "event_types",
    "currencies",
    "zones",
    "inside",  # the steps that are done together in this one; these alone are chosen from a list
    "maps",  # the map steps before this one; these alone are chosen from a list
]


def shown(
    label: str = "",
    *,
    offers: Offers | None = None,
    of: str = "",
    more: bool = False,
    add: str = "",
    ask: str = "",
    words: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    either: tuple[str, str] | None = None,
    unless: Mapping[str, Sequence[str]] | None = None,
    several_if: Mapping[str, Sequence[str]] | None = None,
    ticked: bool = False,
) -> JsonDict:
    """
    Return how a setting is shown, for `json_schema_extra` of its field.

    - `offers`: what is offered while somebody types. `of` names the setting beside it that decides which, or
      with a slash in front one of the whole step
    - `more`: it is needed rarely, and stands under "More settings"
    - `add`: what the button says that adds an element
    - `words`: what the values of a choice are called
    - `ask`: what is asked where one of several forms has to be chosen
    - `names`: of a table, what its names are called, what is offered for them, and what that goes by
    - `either`: (question, answer): of the settings with the same question only those of one answer are shown
    - `unless`: it is left out while another setting has one of these values
    - `several_if`: it is a list exactly while another setting has one of these values
    - `ticked`: it is a list of words, each of which is a box to tick
    """
    told: dict[str, Any] = {
        "label": label,
        "offers": offers,
        "of": of,
        "more": more,
        "add": add,
        "ask": ask,
        "words": dict(words or {}),
        "names": [*names, "", ""][:3] if names else [],
        "either": list(either or ()),
        "unless": {name: list(values) for name, values in (unless or {}).items()},
        "several_if": {name: list(values) for name, values in (several_if or {}).items()},
        "ticked": ticked,
    }
    return {FORM: {name: value for name, value in told.items() if value}}


def called(label: str = "", *, plain: str = "") -> JsonDict:
    """
    Return how a model is shown, for `json_schema_extra` of its configuration.

    `label` is what it is called among others; `plain` is the setting that a text or a list in its place is.
    """
    told: JsonDict = {"label": label} if label else {}
    return {FORM: {**told, "plain": plain} if plain else told}


def by_its_label() -> Callable[[dict[str, Any], type[Any]], None]:
    """Return what shows every subclass of a model under its own `label`, for `json_schema_extra`."""

    def extra(schema: dict[str, Any], model: type[Any]) -> None:
        if label := getattr(model, "label", ""):
            schema[FORM] = {"label": label}

    return extra
