"""Keys and certificates of one sandbox, made anew at each start.

Three authorities, because each opens another door: the cluster's (clients and the API
server), etcd's (whoever passes it reads every Secret) and the front proxy's (whoever passes
it may claim to be anybody).
"""

from __future__ import annotations

import ipaddress
import os
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rollwright.sandbox.places import Layout, make_private
from rollwright.sandbox.versions import CONTROLLER_MANAGER, KWOK, SCHEDULER

VALIDITY = timedelta(days=365)
ADMINISTRATORS = "system:masters"
SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
SERVER_ADDRESSES = ("127.0.0.1", "::1", "10.96.0.1")

_COMPONENT_USERS = {
    CONTROLLER_MANAGER: "system:kube-controller-manager",
    SCHEDULER: "system:kube-scheduler",
    KWOK: "sandbox:kwok",
}

_AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, both as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs certificates; its key never leaves memory unless it is written on purpose."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(name)
        builder = _builder(self._name, self._name, self._key.public_key(), self._key)
        self._certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_AUTHORITY_USAGE, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pair(self) -> Pair:
        """Its own certificate and key."""
        return Pair(certificate=_pem(self._certificate), key=_key_pem(self._key))

    def client(self, user: str, group: str | None = None) -> Pair:
        """Issue what a client shows: its common name is the user, its organization the group."""
        return self._issue(_subject(user, group), (ExtendedKeyUsageOID.CLIENT_AUTH,), None)

    def server(self, name: str) -> Pair:
        """Issue what a server on loopback shows; etcd also calls itself with it."""
        names: list[x509.GeneralName] = [x509.DNSName(dns) for dns in SERVER_NAMES]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in SERVER_ADDRESSES]
        usages = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
        return self._issue(_subject(name), usages, x509.SubjectAlternativeName(names))

    def _issue(
        self,
        subject: x509.Name,
        usages: tuple[x509.ObjectIdentifier, ...],
        names: x509.SubjectAlternativeName | None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key.public_key(), self._key)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return Pair(certificate=_pem(builder.sign(self._key, hashes.SHA256())), key=_key_pem(key))


def write_all(layout: Layout, name: str, server: str) -> None:
    """Write every key, certificate and kubeconfig of a sandbox.

    Args:
        layout: Where to.
        name: The sandbox's name, for the context of its kubeconfig.
        server: The API server's URL.
    """
    make_private(layout.certificates)
    cluster, etcd, proxy = (
        Authority(f"rollwright-sandbox-{role}") for role in ("cluster", "etcd", "front-proxy")
    )
    _write_pair(layout, "ca", cluster.pair)
    _write_pair(layout, "apiserver", cluster.server("kube-apiserver"))
    _write_pair(layout, "kubelet", cluster.server("kubelet"))
    _write(layout.pki("etcd-ca.crt"), etcd.pair.certificate)
    _write_pair(layout, "etcd-server", etcd.server("etcd"))
    _write_pair(layout, "etcd-client", etcd.client("root"))
    _write(layout.pki("front-proxy-ca.crt"), proxy.pair.certificate)
    _write_pair(layout, "front-proxy-client", proxy.client("front-proxy-client"))
    _write_service_account_key(layout)
    _write_kubeconfigs(layout, cluster, name, server)


def kubeconfig_text(context: str, server: str, authority: bytes, client: Pair) -> str:
    """Return a kubeconfig that needs no other file."""
    return f"""\
apiVersion: v1
kind: Config
current-context: {context}
clusters:
- name: {context}
  cluster:
    server: {server}
    certificate-authority-data: {b64encode(authority).decode()}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}
users:
- name: {context}
  user:
    client-certificate-data: {b64encode(client.certificate).decode()}
    client-key-data: {b64encode(client.key).decode()}
"""


def _write_kubeconfigs(layout: Layout, cluster: Authority, name: str, server: str) -> None:
    authority = cluster.pair.certificate
    admin = cluster.client("sandbox-admin", ADMINISTRATORS)
    _write_pair(layout, "admin", admin)
    text = kubeconfig_text(f"sandbox-{name}", server, authority, admin)
    _write(layout.kubeconfig, text.encode())
    for component, user in _COMPONENT_USERS.items():
        # Administrators all: a component need not wait until the API server has written roles.
        client = cluster.client(user, ADMINISTRATORS)
        text = kubeconfig_text(component, server, authority, client)
        _write(layout.component_kubeconfig(component), text.encode())


def _write_service_account_key(layout: Layout) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write_pair(layout, "service-account", Pair(certificate=public, key=_key_pem(key)))


def _write_pair(layout: Layout, name: str, pair: Pair) -> None:
    _write(layout.pki(f"{name}.crt"), pair.certificate)
    _write(layout.pki(f"{name}.key"), pair.key)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _subject(common_name: str, organization: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    # Python 3.13 and later refuse certificates without both key identifiers.
    own = x509.SubjectKeyIdentifier.from_public_key(key)
    signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    start = datetime.now(UTC) - timedelta(hours=1)  # clocks of containers and hosts differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALIDITY)
        .add_extension(own, critical=False)
        .add_extension(signers, critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
