"""The cluster's certificates: one authority, one certificate for each part, named as Kubernetes expects."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .plan import DOMAIN, Plan

VALID = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Identity:
    """Who a certificate speaks for.

    Args:
        user: the common name; Kubernetes takes it as the user.
        groups: the organizations; Kubernetes takes them as the groups.
        hosts: names and addresses it serves under; empty: a client only.
    """

    name: str
    user: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def identities(plan: Plan) -> list[Identity]:
    """All certificates of a cluster."""
    api_names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    api_hosts = (*api_names, f"kubernetes.default.svc.{DOMAIN}", "127.0.0.1", plan.loopback, plan.gateway)
    return [
        Identity("apiserver", "kube-apiserver", hosts=(*api_hosts, plan.kubernetes_service)),
        Identity("apiserver-kubelet", "kube-apiserver-kubelet-client", ("system:masters",)),
        Identity("admin", "webssl-admin", ("system:masters",)),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("coredns", "system:coredns"),
        Identity("prometheus", "webssl:prometheus"),
        *(
            Identity(
                f"kubelet-{node.name}",
                f"system:node:{node.name}",
                ("system:nodes",),
                (node.name, node.address),
            )
            for node in plan.all_nodes
        ),
    ]


class Authority:
    """The cluster's certificate authority, kept under ``folder`` as NAME.crt and NAME.key (PEM)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def ensure(self, wanted: Sequence[Identity], now: datetime.datetime) -> None:
        """Makes the authority, the token-signing key and every certificate that is not there yet.

        Args:
            now: time-zone aware; certificates start an hour before it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if not self.certificate("ca").exists():
            self._make_ca(now)
        if not self.key("service-accounts").exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write(self.key("service-accounts"), _pem(key))
            _write(self.folder / "service-accounts.pub", _public_pem(key))
        for identity in wanted:
            if not self.certificate(identity.name).exists():
                self._issue(identity, now)

    def _make_ca(self, now: datetime.datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webssl local cluster")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        certificate = (
            _builder(name, name, key, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self.key("ca"), _pem(key))
        _write(self.certificate("ca"), certificate.public_bytes(serialization.Encoding.PEM))

    def _issue(self, identity: Identity, now: datetime.datetime) -> None:
        ca = x509.load_pem_x509_certificate(self.certificate("ca").read_bytes())
        ca_key = serialization.load_pem_private_key(self.key("ca").read_bytes(), password=None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if identity.hosts:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            _builder(subject(identity), ca.subject, key, now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
            )
        )
        if identity.hosts:
            names = x509.SubjectAlternativeName([general_name(host) for host in identity.hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(ca_key, hashes.SHA256())
        _write(self.key(identity.name), _pem(key))
        _write(self.certificate(identity.name), certificate.public_bytes(serialization.Encoding.PEM))


def subject(identity: Identity) -> x509.Name:
    """The certificate subject: groups as organizations, the user as common name."""
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def general_name(host: str) -> x509.GeneralName:
    """An IP entry for an address, a DNS entry for anything else."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600, exist_ok=True)
    path.write_bytes(content)
