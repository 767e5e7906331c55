"""This module tests who may control the sandbox, and what a reset forgets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.integration.connectors.rig import both_services
from tests.stage import until


@pytest.fixture(scope="module")
def addresses():
    with both_services() as addresses:
        yield addresses


@pytest.mark.parametrize("system", ["stripe", "salesforce"])
def test_a_web_page_that_is_open_beside_the_demo_may_not(addresses, system):
    answer = requests.post(
        f"{addresses[system]}/_sandbox/reset",
        data="{}",
        headers={"Origin": "https://evil.test", "Content-Type": "text/plain"},
        timeout=60,
    )

    assert answer.status_code == 403


@pytest.mark.parametrize("system", ["stripe", "salesforce"])
def test_a_program_of_this_machine_may(addresses, system):
    assert requests.post(f"{addresses[system]}/_sandbox/reset", json={}, timeout=60).status_code == 200


def test_a_reset_forgets_a_call_that_is_under_way(addresses):
    sandbox = addresses["stripe"]
    slow = {"kind": "slow", "match_path": "/v1/balance", "params": {"seconds": 1.0}, "times": 1}
    requests.post(f"{sandbox}/_sandbox/reset", json={}, timeout=60)
    requests.post(f"{sandbox}/_sandbox/faults", json=slow, timeout=60)
    with ThreadPoolExecutor() as pool:
        under_way = pool.submit(requests.get, f"{sandbox}/v1/balance", timeout=60)
        until(lambda: _faults(sandbox)[0]["fired"] == 1, seconds=20, what="the fault fired")
        requests.post(f"{sandbox}/_sandbox/reset", json={}, timeout=60)
        under_way.result()

    assert requests.get(f"{sandbox}/_sandbox/journal", timeout=60).json()["calls"] == []


def _faults(sandbox):
    return requests.get(f"{sandbox}/_sandbox/faults", timeout=60).json()["faults"]
