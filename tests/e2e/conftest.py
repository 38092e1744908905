"""A real cluster for the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from webssl_cli.demo import steps
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.progress import Reporter
from webssl_localcluster.tools.install import Toolbox

from tests.e2e.lab.lab import Lab
from tests.e2e.lab.place import ROOT, foreign_context, foreign_place, open_lab, outages


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


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, tools: Toolbox) -> Lab:
    """A cluster with the project's images, the chart, images to train on, and a namespace for runs."""
    if context := foreign_context():
        return open_lab(foreign_place(context), tools)
    local: LocalCluster = request.getfixturevalue("cluster")
    return open_lab(steps.local_place(local.name, ROOT, Reporter(), tools), tools)


@pytest.fixture
def s3_outage(request: pytest.FixtureRequest) -> Iterator[Callable[[float], None]]:
    """Takes the S3 server away with SIGKILL for so many seconds."""
    local: LocalCluster | None = None if foreign_context() else request.getfixturevalue("cluster")
    with outages(local) as outage:
        yield outage
