"""Keys, certificates and kubeconfigs."""

from __future__ import annotations

import ssl
from base64 import b64decode

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rollwright.sandbox.certificates import write_all
from rollwright.sandbox.places import Layout, make_private

SERVER = "https://127.0.0.1:6443"


@pytest.fixture(scope="module")
def layout(tmp_path_factory) -> Layout:
    layout = Layout(make_private(tmp_path_factory.mktemp("state")))
    write_all(layout, "demo", SERVER)
    return layout


def certificate(layout, name) -> x509.Certificate:
    return x509.load_pem_x509_certificate(layout.pki(f"{name}.crt").read_bytes())


@pytest.mark.parametrize(
    ("name", "authority"),
    [
        ("apiserver", "ca"),
        ("admin", "ca"),
        ("kubelet", "ca"),
        ("etcd-server", "etcd-ca"),
        ("etcd-client", "etcd-ca"),
        ("front-proxy-client", "front-proxy-ca"),
    ],
)
def test_each_certificate_is_signed_by_its_authority(layout, name, authority):
    certificate(layout, name).verify_directly_issued_by(certificate(layout, authority))


def test_a_client_of_the_cluster_is_none_of_etcd(layout):
    with pytest.raises((ValueError, InvalidSignature)):
        certificate(layout, "admin").verify_directly_issued_by(certificate(layout, "etcd-ca"))


@pytest.mark.parametrize("name", ["apiserver", "etcd-server", "kubelet"])
def test_a_server_is_known_by_every_name_of_loopback(layout, name):
    names = certificate(layout, name).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )

    addresses = {str(address) for address in names.value.get_values_for_type(x509.IPAddress)}
    hosts = set(names.value.get_values_for_type(x509.DNSName))
    assert "127.0.0.1" in addresses
    assert {"localhost", "kubernetes.default.svc"} <= hosts


def test_the_administrator_may_do_everything(layout):
    groups = certificate(layout, "admin").subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)

    assert [group.value for group in groups] == ["system:masters"]


def test_a_client_cannot_pose_as_a_server(layout):
    usage = certificate(layout, "admin").extensions.get_extension_for_class(x509.ExtendedKeyUsage)

    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("name", ["ca", "apiserver", "etcd-client"])
def test_certificates_name_both_keys_as_strict_verifiers_demand(layout, name):
    extensions = certificate(layout, name).extensions

    assert {x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier} <= {
        type(extension.value) for extension in extensions
    }


def test_python_can_use_what_was_written(layout):
    context = ssl.create_default_context(cafile=str(layout.pki("ca.crt")))

    context.load_cert_chain(layout.pki("admin.crt"), layout.pki("admin.key"))

    assert context.get_ca_certs()


def test_nobody_else_may_read_any_of_it(layout):
    files = [layout.kubeconfig, *layout.certificates.iterdir()]

    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert layout.certificates.stat().st_mode & 0o777 == 0o700


def test_the_kubeconfig_needs_no_other_file(layout):
    config = yaml.safe_load(layout.kubeconfig.read_text())

    user = config["users"][0]["user"]
    assert config["current-context"] == config["contexts"][0]["name"] == "sandbox-demo"
    assert config["clusters"][0]["cluster"]["server"] == SERVER
    assert b64decode(user["client-certificate-data"]) == layout.pki("admin.crt").read_bytes()
    assert b64decode(user["client-key-data"]) == layout.pki("admin.key").read_bytes()


@pytest.mark.parametrize(
    ("component", "user"),
    [
        ("kube-controller-manager", "system:kube-controller-manager"),
        ("kube-scheduler", "system:kube-scheduler"),
        ("kwok", "sandbox:kwok"),
    ],
)
def test_each_component_is_a_user_of_its_own(layout, component, user):
    config = yaml.safe_load(layout.component_kubeconfig(component).read_text())

    pem = b64decode(config["users"][0]["user"]["client-certificate-data"])
    names = x509.load_pem_x509_certificate(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [name.value for name in names] == [user]


def test_every_start_has_keys_of_its_own(layout, tmp_path):
    other = Layout(tmp_path)

    write_all(other, "demo", SERVER)

    assert other.pki("ca.key").read_bytes() != layout.pki("ca.key").read_bytes()
