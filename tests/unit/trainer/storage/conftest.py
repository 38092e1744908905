"""The misbehaving server, and the two clients that are tested against it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from webssl_trainer.storage import FsspecStorage
from webssl_trainer.storage.options import CLIENTS

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, storage_at


@pytest.fixture(scope="session")
def running() -> Iterator[FaultyServer]:
    server = FaultyServer()
    yield server
    server.stop()


@pytest.fixture
def server(running: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    """One server for all tests, as if it were new: making a client costs a second."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    running.objects = {"/bucket/object": BODY}
    running.faults = []
    running.requests = running.issued = 0
    running.keys = []
    return running


@pytest.fixture
def keyless(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    """The server, and an environment without keys and profiles."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    return server


@pytest.fixture
def mortal(server: FaultyServer) -> Iterator[FaultyServer]:
    """A server of one's own, to kill."""
    own = FaultyServer()
    yield own
    own.stop()


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """Everything below is true of both clients."""
    return str(request.param)


@pytest.fixture
def storage(server: FaultyServer, client: str) -> FsspecStorage:
    return storage_at(server.url, client)
