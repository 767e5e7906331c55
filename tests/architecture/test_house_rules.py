"""This module keeps the house rules that the linters cannot see."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

from integrator.accounts.roles import POLICY
from tests.architecture.source import PACKAGES, ROOT, functions, modules, name_of

BANNED = {"utils", "helpers", "common", "misc", "services", "managers", "core"}
# Names with dots that are none of Python: entry-point groups, a channel, a key of the ASGI scope.
OTHER_NAMES = {
    "integrator.connectors",
    "integrator.receiver_ready",
    "integrator.step_kinds",
    "integrator.transforms",
    "monitoring.wake",
}
LEVEL = {"accounts": 1, "connectors": 2, "flows": 3, "monitoring": 4}


# Each rule is one test over all modules: one for each of so many would cost more than the rule.


def test_there_are_modules():
    assert len(modules(with_tests=True)) > len(modules()) > 300


def test_files_stay_readable():
    long = [name_of(path) for path in modules(with_tests=True) if len(path.read_text().splitlines()) > 400]

    assert long == []


def test_functions_do_one_thing():
    long = [
        f"{name_of(path)}: {f.name}"
        for path in modules()
        for f in functions(path)
        if (f.end_lineno or 0) - f.lineno + 1 > 45
    ]

    assert long == []


def test_modules_are_named_after_what_they_answer_for():
    vague = [name_of(path) for path in modules() if path.stem in BANNED or path.stem.startswith("base_")]

    assert vague == []


def test_modules_say_what_they_are_for():
    """Their docstring finishes the sentence: This module ..."""
    written = [path for path in modules() if path.name != "__init__.py" or path.read_text().strip()]
    docstrings = {name_of(path): ast.get_docstring(ast.parse(path.read_text())) or "" for path in written}

    silent = [name for name, said in docstrings.items() if not re.match(r"This (module|package) ", said)]
    assert silent == []


def test_public_operations_explain_themselves():
    silent = [
        f"{name_of(path)}: {node.name}"
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def _foreign_keys() -> list[tuple[type[models.Model], models.ForeignKey]]:
    return [
        (model, field)
        for model in apps.get_models()
        if model._meta.app_label in LEVEL
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
    ]


def test_foreign_keys_never_point_upward():
    upward = [
        f"{model.__name__}.{field.name}"
        for model, field in _foreign_keys()
        if LEVEL.get(field.related_model._meta.app_label, 0) > LEVEL[model._meta.app_label]
    ]

    assert _foreign_keys()
    assert upward == []


def _strings(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _resolves(dotted: str) -> bool:
    module, _, name = dotted.rpartition(".")
    if _is_package(module) and find_spec(dotted) is not None:
        return True
    return hasattr(import_module(module), name)


def _is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/")).is_dir()


def test_dotted_names_in_strings_lead_somewhere():
    ours = re.compile(rf"^(?:{'|'.join(PACKAGES)})(?:\.[a-z_]+)+(?:\.[A-Za-z_]+)?$")
    dotted = {
        (name_of(path), text)
        for path in modules()
        for text in _strings(path) - set(POLICY) - OTHER_NAMES
        if ours.match(text)
    }

    assert dotted
    assert {(path, text) for path, text in dotted if not _resolves(text)} == set()


@pytest.mark.parametrize(
    ("package", "above"), [("connectors", ("flows.", "monitoring.")), ("flows", ("monitoring.",))]
)
def test_strings_never_lead_upward(package: str, above: tuple[str, ...]):
    """import-linter sees imports; this sees include(), job paths and the like."""
    upward = {
        (name_of(path), text)
        for path in modules()
        if path.relative_to(ROOT).parts[0] == package
        for text in _strings(path)
        if text.startswith(above) and _resolves(text)
    }

    assert upward == set()


def test_every_setting_of_the_environment_is_documented():
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "integrator" / "settings.py").read_text()))
    documented = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    internal = {"INTEGRATOR_ROLE", "INTEGRATOR_ENV_FILE"}
    assert read - internal == documented
    assert settings.SECRET_KEY


def test_every_command_is_in_the_reference():
    reference = (ROOT / "docs" / "reference.md").read_text()
    commands = {
        path.stem
        for package in PACKAGES
        for path in (ROOT / package).rglob("management/commands/*.py")
        if path.stem != "__init__"
    }

    assert {name for name in commands if f"`{name}" not in reference} == set()


def test_nobody_catches_database_errors_inside_a_transaction():
    """Inside atomic() the transaction is already broken; catch outside, or use a savepoint of its own."""
    caught = [
        f"{name_of(path)}:{handler.lineno}"
        for path in modules()
        for block in ast.walk(ast.parse(path.read_text()))
        if isinstance(block, ast.With) and "atomic" in ast.unparse(block.items[0].context_expr)
        for handler in ast.walk(block)
        if isinstance(handler, ast.ExceptHandler)
        and handler.type is not None
        and re.search(r"DatabaseError|IntegrityError|OperationalError", ast.unparse(handler.type))
    ]

    assert caught == []
