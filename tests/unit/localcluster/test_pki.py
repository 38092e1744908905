"""Certificates say what Kubernetes reads from them."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from webssl_localcluster.pki import Authority, Identity, identities
from webssl_localcluster.plan import Plan

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
PLAN = Plan("a", 1, 2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("pki"))
    made.ensure(identities(PLAN), NOW)
    return made


def _read(authority: Authority, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.certificate(name).read_bytes())


def _names(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def test_a_kubelet_is_its_node_in_the_group_of_nodes(authority: Authority) -> None:
    subject = _read(authority, "kubelet-n1").subject
    assert [entry.value for entry in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [
        "system:node:n1"
    ]
    assert [entry.value for entry in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        "system:nodes"
    ]


def test_a_kubelet_serves_under_its_nodes_name_and_address(authority: Authority) -> None:
    assert _names(_read(authority, "kubelet-n1")) == {"n1", "10.89.1.11"}


def test_the_api_server_serves_under_every_name_that_it_is_called_by(authority: Authority) -> None:
    names = _names(_read(authority, "apiserver"))
    assert {
        "kubernetes.default.svc",
        "localhost",
        PLAN.gateway,
        PLAN.loopback,
        PLAN.kubernetes_service,
    } <= names


def test_only_who_serves_may_serve(authority: Authority) -> None:
    for identity in identities(PLAN):
        usage = (
            _read(authority, identity.name).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        )
        assert (ExtendedKeyUsageOID.SERVER_AUTH in usage) == bool(identity.hosts)


def test_every_certificate_is_signed_by_the_one_authority(authority: Authority) -> None:
    ca = _read(authority, "ca")
    for identity in identities(PLAN):
        _read(authority, identity.name).verify_directly_issued_by(ca)


def test_keys_are_readable_by_their_owner_only(authority: Authority) -> None:
    assert {path.stat().st_mode & 0o077 for path in authority.folder.glob("*.key")} == {0}


def test_what_is_there_is_kept_and_what_is_new_is_added(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.ensure([Identity("one", "one")], NOW)
    before = authority.certificate("one").read_bytes()
    authority.ensure([Identity("one", "one"), Identity("two", "two")], NOW)
    assert authority.certificate("one").read_bytes() == before
    _read(authority, "two").verify_directly_issued_by(_read(authority, "ca"))
