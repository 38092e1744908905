"""Addresses of other clouds than S3: reads over HTTP on the loopback, causes, keys, and the packages that are needed."""

from __future__ import annotations

import base64
import sys

import pytest
from webssl_trainer.errors import UserError
from webssl_trainer.storage import (
    ByteRange,
    DirectStorage,
    StorageDeniedError,
    StorageNotFoundError,
    StorageOptions,
    StorageUnavailableError,
    canonical,
    open_storage,
    scheme_of,
)
from webssl_trainer.storage.az_direct import fsspec_arguments as of_azure
from webssl_trainer.storage.gs_direct import fsspec_arguments as of_google

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, cut_body, options_at, status

CLOUDS = ("gs", "az")


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest, server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cloud whose requests go to the server on the loopback."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"not a secret").decode())
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    return str(request.param)


def storage(total: float = 60.0) -> DirectStorage:
    made = open_storage(options_at(None, total=total))
    assert isinstance(made, DirectStorage)
    return made


def test_ranges_and_objects_are_read(cloud: str) -> None:
    made, url = storage(), f"{cloud}://bucket/object"
    ranges = [ByteRange(url, at, at + 10) for at in range(0, 100, 10)]
    assert made.cat_ranges(ranges) == [BODY[at : at + 10] for at in range(0, 100, 10)]
    assert made.cat_ranges([ByteRange(url, len(BODY) - 5, len(BODY) + 5)]) == [BODY[-5:]]
    assert made.read(url) == BODY
    assert made.direct_reads == 11


def test_what_passes_is_tried_again_and_counted_by_cause(server: FaultyServer, cloud: str) -> None:
    made = storage()
    server.faults = [
        status(503, "ServerBusy"),
        status(500, "InternalError"),
        status(429, "rateLimit"),
        cut_body,
    ]
    assert made.cat_ranges([ByteRange(f"{cloud}://bucket/object", 10, 200)]) == [BODY[10:200]]
    assert made.retry_causes == {"throttled": 2, "server-error": 1, "connection": 1}


@pytest.mark.parametrize(("code", "kind"), [(403, StorageDeniedError), (404, StorageNotFoundError)])
def test_what_does_not_pass_names_the_address_and_the_keys_of_its_cloud(
    server: FaultyServer, cloud: str, code: int, kind: type[Exception]
) -> None:
    server.faults = [status(code, "Refused")]
    names = {"gs": "GOOGLE_SERVICE_ACCOUNT_KEY", "az": "AZURE_STORAGE_ACCOUNT_KEY"}
    with pytest.raises(
        kind, match=f"{cloud}://bucket/object.*{names[cloud] if code == 403 else 'not found'}"
    ):
        storage().read(f"{cloud}://bucket/object", 0, 9)


def test_a_server_that_stays_away_ends_the_patience(
    server: FaultyServer, cloud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(StorageUnavailableError, match="check that the storage server"):
        storage(total=0.2).read(f"{cloud}://bucket/object", 0, 9)


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_what_needs_a_package_names_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UserError, match=rf"{scheme}:// addresses need the package {package}.*trainer\[{scheme}\]"
    ):
        storage().list_objects(f"{scheme}://bucket/folder")


def test_addresses_have_one_spelling() -> None:
    assert canonical("gs://bucket/a/b/") == "gs://bucket/a/b"
    assert [scheme_of(f"{scheme}://bucket/a") for scheme in CLOUDS] == list(CLOUDS)
    with pytest.raises(UserError, match="use one of s3, gs, az"):
        scheme_of("abfs://container/a")


def test_both_clients_find_the_same_keys(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_google(StorageOptions())["token"] == "anon"  # an emulator knows no keys
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", '{"client_email": "a@b"}')
    assert of_google(StorageOptions())["token"] == {"client_email": "a@b"}
    assert "AccountName=account;" in of_azure(StorageOptions())["connection_string"]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")
    assert "connection_string" not in of_azure(StorageOptions())
