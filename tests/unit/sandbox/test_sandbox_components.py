"""The command lines of the components."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollwright.sandbox.binaries import Binaries
from rollwright.sandbox.components import Plan, Ports, argv
from rollwright.sandbox.places import MODULE_FOLDER, Layout
from rollwright.sandbox.versions import COMPONENTS

ROOT = Path("/state/demo")


def a_plan(*extra: str) -> Plan:
    return Plan(
        layout=Layout(ROOT),
        binaries=Binaries(
            version="1.36.3", paths={name: Path("/bin") / name for name in COMPONENTS}
        ),
        ports=Ports(apiserver=6443, etcd=2379, etcd_peer=2380, kwok=10247),
        extra_apiserver_args=extra,
    )


def flags(component: str, *extra: str) -> dict[str, str]:
    pairs = (flag.removeprefix("--").partition("=") for flag in argv(a_plan(*extra), component)[1:])
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_component_is_called_by_its_own_name(component):
    assert argv(a_plan(), component)[0] == f"/bin/{component}"


@pytest.mark.parametrize("component", COMPONENTS)
def test_nothing_listens_beyond_loopback(component):
    line = " ".join(argv(a_plan(), component))

    assert "0.0.0.0" not in line  # noqa: S104  (that it is absent is the point)
    assert "localhost" not in line.replace("--external-hostname=localhost", "")


@pytest.mark.parametrize("component", ["kube-controller-manager", "kube-scheduler"])
def test_controllers_serve_nothing_and_elect_nobody(component):
    given = flags(component)

    assert (given["secure-port"], given["leader-elect"]) == ("0", "false")


@pytest.mark.parametrize("side", ["", "peer-"])
def test_etcd_knows_its_clients_by_certificate(side):
    given = flags("etcd")

    assert given[f"{side}client-cert-auth"] == "true"
    assert given[f"{side}trusted-ca-file"] == "/state/demo/pki/etcd-ca.crt"


def test_etcd_does_not_wait_for_the_disk():
    assert flags("etcd")["unsafe-no-fsync"] == "true"


def test_the_apiserver_reaches_etcd_where_etcd_listens():
    assert flags("kube-apiserver")["etcd-servers"] == flags("etcd")["listen-client-urls"]


def test_access_is_decided_by_rbac():
    assert flags("kube-apiserver")["authorization-mode"] == "RBAC"


def test_tokens_are_signed_and_checked_with_one_key():
    apiserver, manager = flags("kube-apiserver"), flags("kube-controller-manager")

    assert (
        apiserver["service-account-signing-key-file"]
        == manager["service-account-private-key-file"]
        == "/state/demo/pki/service-account.key"
    )


def test_the_front_proxy_has_an_authority_of_its_own():
    given = flags("kube-apiserver")

    assert given["requestheader-client-ca-file"] != given["client-ca-file"]


def test_extra_flags_come_last_and_win():
    line = argv(a_plan("--profiling=true", "--v=4"), "kube-apiserver")

    assert line[-2:] == ["--profiling=true", "--v=4"]


def test_the_controller_manager_keeps_its_folders_to_itself():
    assert flags("kube-controller-manager")["flex-volume-plugin-dir"].startswith(str(ROOT))


def test_kwok_is_given_every_stage():
    given = {flag for flag in argv(a_plan(), "kwok") if flag.startswith("--config=")}
    stages = {f"--config={file}" for file in (MODULE_FOLDER / "stages").iterdir()}

    assert given == stages | {"--config=/state/demo/kwok.yaml"}


def test_urls_follow_the_ports():
    plan = a_plan()

    assert (plan.server, plan.etcd_endpoint) == ("https://127.0.0.1:6443", "https://127.0.0.1:2379")
