"""This module holds the test that tests which share a port or a stage run one after the other."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("probe")
def test_tests_of_one_group_are_given_to_one_process(request):
    if not (os.environ.get("CI") or getattr(request.config.option, "loadgroup", False)):
        pytest.skip("only `--dist loadgroup` needs groups")
    assert request.node.nodeid.endswith("@probe")
