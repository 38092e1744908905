"""What the direct client takes over from s3fs, and what it leaves to it."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from webssl_trainer.errors import UserError
from webssl_trainer.storage import (
    ByteRange,
    DirectStorage,
    FsspecStorage,
    StorageOptions,
    StorageUnavailableError,
    open_storage,
)
from webssl_trainer.storage.direct_answers import AnswerError, ElsewhereError, understood
from webssl_trainer.storage.s3_curl import CurlClient
from webssl_trainer.storage.s3_direct import S3Clients

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, Handler, fresh_storage_at, status

RANGE = [ByteRange("s3://bucket/object", 10, 200)]
HERE = StorageOptions(endpoint="http://127.0.0.1:9", region="us-east-1")


@pytest.fixture(autouse=True)
def no_files(keyless: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment, and nothing else that AWS clients look at."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_the_direct_client_is_the_one_that_is_opened_unless_told_otherwise() -> None:
    assert type(open_storage(StorageOptions())) is DirectStorage
    assert type(open_storage(StorageOptions.from_env({"WEBSSL_STORAGE_CLIENT": "fsspec"}))) is FsspecStorage
    with pytest.raises(UserError, match=r"WEBSSL_STORAGE_CLIENT 'curl'.*direct, fsspec"):
        StorageOptions.from_env({"WEBSSL_STORAGE_CLIENT": "curl"})


def test_one_client_serves_all_objects_of_a_bucket() -> None:
    clients = S3Clients(HERE)
    first, second = clients.client("s3://bucket/a"), clients.client("s3://bucket/b/c")
    assert first is not None
    assert second is not None
    assert first is second
    assert isinstance(first, CurlClient)
    assert first.base == f"{HERE.endpoint}/bucket"


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/a//b", "s3://bucket/./a", "s3://bucket/a/../b", "s3://bucket/a/", "s3://arn:aws:s3:x/a"],
)
def test_addresses_that_other_clients_spell_otherwise_are_left_to_s3fs(url: str) -> None:
    assert S3Clients(HERE).client(url) is None


@pytest.mark.parametrize(
    ("profile", "direct"),
    [
        ("", False),
        ("region = eu-central-1", True),
        ("region = cn-north-1", False),
        ("region = eu-central-1\nuse_fips_endpoint = true", False),
        ("region = eu-central-1\ns3 =\n  addressing_style = virtual", False),
        ("region = eu-central-1\nendpoint_url = http://127.0.0.1:9", False),
    ],
)
def test_a_profile_that_asks_for_more_than_a_region_is_left_to_s3fs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str, direct: bool
) -> None:
    file = tmp_path / "config"
    file.write_text(f"[default]\n{profile}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    found = S3Clients(StorageOptions()).client("s3://bucket/a")
    assert isinstance(found, CurlClient) is direct
    if isinstance(found, CurlClient):
        assert (found.region, found.base) == ("eu-central-1", "https://s3.eu-central-1.amazonaws.com/bucket")


@pytest.mark.parametrize(
    ("access", "direct"), [("AKIA0", True), ("me_and-you.1~", True), ("a:b", False), ("a/b", False)]
)
def test_access_keys_of_other_characters_are_left_to_s3fs(
    monkeypatch: pytest.MonkeyPatch, access: str, direct: bool
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
    assert (S3Clients(HERE).client("s3://bucket/a") is not None) is direct


def test_what_fsspec_is_configured_with_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "s3", {"requester_pays": True})
    assert S3Clients(HERE).client("s3://bucket/a") is None


def elsewhere(handler: Handler) -> None:
    handler.answer(
        301, b"<Error><Code>PermanentRedirect</Code><Message>use another endpoint</Message></Error>"
    )


def test_a_bucket_in_another_region_is_left_to_the_client_that_follows(keyless: FaultyServer) -> None:
    storage = fresh_storage_at(keyless.url)
    assert isinstance(storage, DirectStorage)
    keyless.faults = [elsewhere]
    assert storage.cat_ranges(RANGE) == [BODY[10:200]]
    assert storage.cat_ranges(RANGE) == [BODY[10:200]]
    assert (storage.direct_reads, storage.retries) == (0, 0)


def test_an_error_keeps_status_code_and_message_and_nothing_of_the_request() -> None:
    text = (
        "Generic S3 error: Error performing GET http://host/b/k in 3ms - Server returned non-2xx status code: 503 "
        "Service Unavailable: <Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"
        "\n\nDebug source:\nStatus"
    )
    error = understood(ValueError(text))
    assert isinstance(error, AnswerError)
    assert str(error) == "HTTP 503 SlowDown Reduce your rate"
    assert isinstance(understood(ValueError("x\n\nDebug source:\ninner: BareRedirect")), ElsewhereError)
    other = ValueError("something else")
    assert understood(other) is other


# -- certificates -----------------------------------------------------------------------------------------------------


def issued(name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A certificate for 127.0.0.1; that of an authority when it is by its own key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=key is by, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )  # fmt: skip


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[FaultyServer, Path]]:
    """A server with a certificate of an authority that nobody knows, and the file of that."""
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    trusted, chain, private = tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "key.pem"
    trusted.write_bytes(issued("authority", authority, authority).public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(issued("server", own, authority).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    server = FaultyServer(tls=context)
    yield server, trusted
    server.stop()


def test_a_certificate_is_trusted_when_aws_ca_bundle_names_it(
    tls: tuple[FaultyServer, Path], client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, certificate = tls
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(StorageUnavailableError, match=r"(?i)certificate|UnknownIssuer"):
        fresh_storage_at(server.url, client, total=0.2).cat_ranges(RANGE)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    assert fresh_storage_at(server.url, client).cat_ranges(RANGE) == [BODY[10:200]]


def test_a_denied_answer_over_either_client_reads_alike(keyless: FaultyServer) -> None:
    texts = []
    for client in ("direct", "fsspec"):
        keyless.faults = [status(403, "AccessDenied")]
        with pytest.raises(PermissionError) as raised:
            fresh_storage_at(keyless.url, client).cat_ranges(RANGE)
        texts.append((str(raised.value).partition("(")[0], type(raised.value)))
    assert texts[0] == texts[1]
