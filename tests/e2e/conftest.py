"""A real cluster for the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.progress import Reporter
from webssl_localcluster.tools.install import Toolbox


@pytest.fixture(scope="session")
def tools() -> Toolbox:
    """The programs that the cluster and the tests use."""
    return Toolbox(Reporter())


@pytest.fixture(scope="session")
def cluster(tools: Toolbox) -> Iterator[LocalCluster]:
    """The full two-node cluster, without the project's images (``cluster.load_images``) and without its chart.

    ``WEBSSL_TEST_CLUSTER`` names it. One that is up already is used and left as it is; one that is started here is
    removed at the end.
    """
    found = LocalCluster(os.environ.get("WEBSSL_TEST_CLUSTER", "test"), tools=tools)
    was_there = found.exists and found.status().healthy
    found.up()
    try:
        yield found
    finally:
        if not was_there:
            found.down(purge=True)
