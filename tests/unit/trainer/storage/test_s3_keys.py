"""Where the keys of both clients come from, how they are renewed, and that unsigned requests have none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from webssl_trainer.storage import ByteRange, StorageDeniedError, StorageOptions, open_storage
from webssl_trainer.storage.s3_keys import Keys

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, fresh_storage_at, status

RANGE = [ByteRange("s3://bucket/object", 10, 200)]
Write = Callable[[str], None]


def in_file(patch: pytest.MonkeyPatch, folder: Path) -> Write:
    """Keys in a file of AWS, as a mounted Secret."""
    file = folder / "credentials"
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(name: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret\n")

    return write


def in_environment(patch: pytest.MonkeyPatch, _: Path) -> Write:
    def write(name: str) -> None:
        patch.setenv("AWS_ACCESS_KEY_ID", name)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    return write


@pytest.mark.parametrize("place", [in_file, in_environment])
def test_keys_that_expire_are_looked_up_again_where_they_were(
    keyless: FaultyServer,
    client: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: Callable[[pytest.MonkeyPatch, Path], Write],
) -> None:
    write = place(monkeypatch, tmp_path)
    write("OLD")
    storage = fresh_storage_at(keyless.url, client)
    assert storage.cat_ranges(RANGE) == [BODY[10:200]]
    write("NEWER")
    assert storage.cat_ranges(RANGE) == [BODY[10:200]]
    keyless.faults = [status(403, "ExpiredToken")]
    assert storage.cat_ranges(RANGE) == [BODY[10:200]]
    assert keyless.keys == ["OLD", "OLD", "OLD", "NEWER"]
    assert storage.retry_causes == {"expired-keys": 1}


def test_keys_of_a_web_identity_are_renewed_before_they_end(
    keyless: FaultyServer, client: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/reader")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", keyless.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    storage = fresh_storage_at(keyless.url, client)
    for _ in range(3):  # the keys of the service end in 2 minutes, which is too soon to keep them
        assert storage.cat_ranges(RANGE) == [BODY[10:200]]
    assert keyless.issued > 1
    numbers = [int(name.removeprefix("ISSUED")) for name in keyless.keys]
    assert numbers == sorted(numbers)
    assert numbers[-1] > numbers[0]
    assert storage.retries == 0


def test_missing_keys_are_denied_access_with_the_names_of_the_variables(
    keyless: FaultyServer, client: str
) -> None:
    for ask in (lambda s: s.read("s3://bucket/object"), lambda s: s.cat_ranges(RANGE)):
        with pytest.raises(StorageDeniedError, match="AWS_ACCESS_KEY_ID"):
            ask(fresh_storage_at(keyless.url, client))
    assert keyless.requests == 0


def test_unsigned_requests_need_and_send_no_keys(keyless: FaultyServer, client: str) -> None:
    env = {"AWS_NO_SIGN_REQUEST": "true", "AWS_ENDPOINT_URL": keyless.url, "WEBSSL_STORAGE_CLIENT": client}
    storage = open_storage(StorageOptions.from_env(env))
    assert storage.cat_ranges(RANGE) == [BODY[10:200]]
    assert storage.read("s3://bucket/object") == BODY
    assert set(keyless.keys) == {""}


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(Keys("access-name", "secret", "a-token"))
    assert "access-name" not in repr(Keys("access-name", "secret", "a-token"))
