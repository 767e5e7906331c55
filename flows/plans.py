"""This module compiles versions, each of them once in a process."""

from __future__ import annotations

from functools import lru_cache

from flows.engine import definition, plan
from flows.models import FlowVersion
from flows.steps import registry


class Unrunnable(Exception):
    """A version cannot be run as things are: a kind of step is not installed any more, or is another now."""


@lru_cache(maxsize=200)
def compiled(version_id: int, _content_hash: str = "") -> plan.Plan:
    """
    Return the version ready to run. It is immutable, so that nothing is ever compiled anew.

    :raises FlowVersion.DoesNotExist: if there is no such version
    :raises Unrunnable: if it cannot be compiled
    """
    document = FlowVersion.objects.values_list("document", flat=True).get(id=version_id)
    try:
        kinds = registry.load()
        return plan.build(definition.load(document, kinds=kinds), kinds=kinds)
    except Exception as problem:  # whatever an installed kind may raise
        raise Unrunnable(f"The version cannot be run: {problem}") from problem
