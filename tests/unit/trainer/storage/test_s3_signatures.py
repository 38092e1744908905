"""What libcurl signs is what AWS's own library would sign: the same request, the same signature."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from webssl_trainer.storage import ByteRange, DirectStorage, StorageOptions, open_storage

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, Handler, fresh_storage_at

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\S+?)/(\d{8}/[\w-]+/s3/aws4_request), ?SignedHeaders=([\w;-]+), ?Signature=(\w+)"
)


@dataclass
class Seen:
    """The path and the headers of the last request."""

    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, handler: Handler) -> None:
        self.path = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        handler.answer(404)


def expected(seen: Seen, url: str, keys: Credentials, names: list[str], scope: str) -> str:
    """The signature that botocore makes for this request."""
    auth = S3SigV4Auth(keys, "s3", scope.split("/")[1])
    request = AWSRequest("GET", url + seen.path, headers={name: seen.headers[name] for name in names})
    request.context["timestamp"] = seen.headers["x-amz-date"]
    canonical = auth.canonical_request(request)
    assert f"\n{';'.join(names)}\n" in canonical
    return str(auth.signature(auth.string_to_sign(request, canonical), request))


@pytest.mark.parametrize("key", ["object", "a folder/ä+b=c&d~(1)*'!@.tar", "percent%41/100%", "q?x=1#h"])
@pytest.mark.parametrize("token", ["", "session/token+with=signs"])
def test_a_request_has_the_signature_of_botocore(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch, key: str, token: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA_some-key.1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret/with+signs:and=more")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    seen = Seen()
    server.faults = [seen.answer]
    storage = fresh_storage_at(server.url)
    assert isinstance(storage, DirectStorage)
    with pytest.raises(FileNotFoundError):
        storage.cat_ranges([ByteRange(f"s3://bucket/{key}", 3, 9)])
    found = AUTHORIZATION.fullmatch(seen.headers["authorization"])
    assert found, seen.headers["authorization"]
    access, scope, signed, signature = found.groups()
    names = signed.split(";")
    assert access == "AKIA_some-key.1"
    assert seen.path == f"/bucket/{quote(key, safe='/~')}"
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names)
    assert ("x-amz-security-token" in names) is bool(token)
    assert seen.headers["x-amz-content-sha256"] in {"UNSIGNED-PAYLOAD", hashlib.sha256(b"").hexdigest()}
    keys = Credentials("AKIA_some-key.1", "secret/with+signs:and=more", token or None)
    assert signature == expected(seen, server.url, keys, names, scope)


def test_nothing_is_signed_where_that_is_asked_for(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    server.faults = [seen.answer]
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "true")
    storage = open_storage(StorageOptions.from_env(endpoint=server.url, region="us-east-1"))
    with pytest.raises(FileNotFoundError):
        storage.cat_ranges([ByteRange("s3://bucket/object", 3, 9)])
    assert "authorization" not in seen.headers
    assert storage.cat_ranges([ByteRange("s3://bucket/object", 3, 9)]) == [BODY[3:9]]
