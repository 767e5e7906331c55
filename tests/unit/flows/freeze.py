"""
This module writes the JSON Schemas of flow documents, step kinds and chips, which the tests hold the code to.

Run it with `python -m tests.unit.flows.freeze` after a change that you mean.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from flows.engine import definition
from flows.mapping import transforms
from flows.steps import registry

FOLDER = Path(__file__).parent / "schemas"
COMMAND = "python -m tests.unit.flows.freeze"


@cache
def current() -> dict[str, dict[str, Any]]:
    """Return the schemas as they are now, by name."""
    kinds = {f"step.{slug}": kind.settings_model for slug, kind in registry.load().items()}
    chips = {f"chip.{name}": chip for name, chip in transforms.load().items()}
    schemas = {name: model.model_json_schema() for name, model in {**kinds, **chips}.items()}
    return {"flow-document": definition.json_schema(registry.load()), **schemas}


@cache
def frozen() -> dict[str, dict[str, Any]]:
    """Return the schemas as they were frozen, by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, schema in current().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n", "utf-8")
