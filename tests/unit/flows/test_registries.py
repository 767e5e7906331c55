"""Whatever is registered explains itself and keeps its shape."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest

from flows.mapping import transforms
from flows.mapping.chip import Chip
from flows.steps import registry
from flows.steps.condition import Condition
from tests.unit.flows import freeze

KINDS = list(registry.load().values())
CHIPS = list(transforms.load().values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_every_kind_explains_itself(kind):
    assert kind.label
    assert kind.exits
    assert type(kind).__dict__["__doc__"].endswith(".")
    assert kind.settings_model.__doc__


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.__name__)
def test_every_chip_explains_itself(chip):
    assert chip.label
    assert chip.__dict__["__doc__"].endswith(".")


def settings_of(schema, name):
    models = {name: schema, **{f"{name}/{key}": model for key, model in schema.get("$defs", {}).items()}}
    for where, model in models.items():
        for setting, its in model.get("properties", {}).items():
            yield f"{where}.{setting}", its


def test_every_kind_and_chip_has_its_row_in_the_documents():
    page = (Path(__file__).parents[3] / "docs/steps.md").read_text("utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))

    names = [*registry.load(), *transforms.load()]
    assert [name for name in names if f"`{name}`" not in rows] == []


def test_every_setting_has_a_help_text():
    without = [
        setting
        for name, schema in freeze.current().items()
        for setting, its in settings_of(schema, name)
        if "description" not in its and not setting.endswith(".chip")
    ]

    assert without == []


def test_every_schema_is_as_it_was_frozen():
    now, then = freeze.current(), freeze.frozen()

    assert len(now) > 20
    changed = sorted(name for name in now | then if now.get(name) != then.get(name))
    assert changed == [], f"If you mean it, run '{freeze.COMMAND}'."


class Shout(Chip):
    """Write text in capitals, with an exclamation mark."""

    chip: Literal["shout"]

    def compile(self, field):
        return lambda value, _context, _notes: f"{value}!".upper()


class Money(Shout):
    """Claim a name that is taken."""

    chip: Literal["money"]


class OtherCondition(Condition):
    """Claim a slug that is taken."""


class Linger(Condition):
    """Linger."""

    slug = "linger"


@pytest.fixture
def installed(monkeypatch):
    """Let packages be installed that bring a class each."""

    def install(*classes):
        points = [EntryPoint(kind.__name__, f"{__name__}:{kind.__name__}", "any") for kind in classes]
        for module in (registry, transforms):
            monkeypatch.setattr(module, "entry_points", lambda **_: points)

    return install


def test_an_installed_package_brings_a_kind_and_a_chip(installed):
    installed(Linger)
    assert "linger" in registry.load.__wrapped__()

    installed(Shout)
    assert transforms.load.__wrapped__()["shout"].__name__ == "Shout"


def test_a_name_belongs_to_one_class_only(installed):
    installed(OtherCondition)
    with pytest.raises(ValueError, match="Two step kinds are called 'condition'"):
        registry.load.__wrapped__()

    installed(Money)
    with pytest.raises(ValueError, match="Two chips are called 'money'"):
        transforms.load.__wrapped__()
