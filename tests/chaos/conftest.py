"""This module holds the stage that chaos tests share which leave it as they found it."""

from __future__ import annotations

import os

import pytest

from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory):
    """Both simulated systems, web and workers, with the payments flow live."""
    redis_url = os.environ.get("REDIS_URL", "")
    with a_stage(tmp_path_factory.mktemp("stage"), postgresql=POSTGRESQL, redis_url=redis_url) as stage:
        yield stage


@pytest.fixture
def well_behaved(stage: Stage):
    """Yield the stage, and end all faults afterwards."""
    yield stage
    for system in ("stripe", "salesforce"):
        stage.turn(system, "faults", method="DELETE")
    stage.turn("stripe", "delivery", loss=0.0, duplicates=0.0, disorder=0.0)
