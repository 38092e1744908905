"""An operator process for all tests of this folder, and a namespace for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes import client

from tests.contract.conftest import ApiServer
from tests.contract.operator.lab import Lab
from tests.contract.operator.process import OperatorProcess

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def kubeconfig(
    api_server: ApiServer, kube: client.ApiClient, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A kubeconfig whose current context is the one of the tests."""
    file = tmp_path_factory.mktemp("operator") / "kubeconfig"
    file.write_text(api_server.kubectl("config", "view", "--minify", "--flatten"))
    file.chmod(0o600)
    return file


@pytest.fixture(scope="session")
def start_operator(kubeconfig: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """Starts operators by name, Lease and its seconds; those that are left at the end are stopped."""
    started: list[OperatorProcess] = []

    def start(name: str, lease: str, **given: int) -> OperatorProcess:
        started.append(OperatorProcess(kubeconfig, kubeconfig.parent, name, lease, **given))
        return started[-1]

    yield start
    for process in started:
        if process.alive():
            process.stop()


@pytest.fixture(scope="session")
def _operator(start_operator: Callable[..., OperatorProcess]) -> OperatorProcess:
    return start_operator("operator-of-the-tests", "webssl-operator")


@pytest.fixture
def empty_lab(kube: client.ApiClient) -> Iterator[Lab]:
    """A namespace of its own, and nobody looks after it yet."""
    name = f"operator-{next(_NUMBERS)}"
    core = client.CoreV1Api(kube)
    core.create_namespace({"metadata": {"name": name}})
    yield Lab(kube, name)
    core.delete_namespace(name)


@pytest.fixture
def lab(empty_lab: Lab, _operator: OperatorProcess) -> Lab:
    """A namespace that an operator looks after."""
    return empty_lab


@pytest.fixture
def operator(_operator: OperatorProcess) -> OperatorProcess:
    return _operator
