"""The command line of each component: pure, from paths and ports to arguments.

Everything listens on loopback. What nobody needs here is off (leader election, profiling,
serving of metrics), because it costs start-up time and memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rollwright.sandbox.binaries import Binaries
from rollwright.sandbox.places import MODULE_FOLDER, Layout
from rollwright.sandbox.versions import APISERVER, CONTROLLER_MANAGER, ETCD, KWOK, SCHEDULER

HOST = "127.0.0.1"
SERVICE_RANGE = "10.96.0.0/12"
POD_RANGE = "100.64.0.1/10"

_REQUESTS_PER_SECOND = 1000
"""The components' own limits: theirs are made for large clusters with many such clients."""

_NEVER = "8760h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports of one sandbox, all on loopback."""

    apiserver: int
    etcd: int
    etcd_peer: int
    kwok: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides every command line of one start."""

    layout: Layout
    binaries: Binaries
    ports: Ports
    extra_apiserver_args: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{HOST}:{self.ports.apiserver}"

    @property
    def etcd_endpoint(self) -> str:
        """The URL of etcd."""
        return f"https://{HOST}:{self.ports.etcd}"


def argv(plan: Plan, component: str) -> list[str]:
    """Return the command line of one component."""
    flags = _FLAGS[component](plan)
    return [str(plan.binaries[component]), *flags]


def _etcd(plan: Plan) -> list[str]:
    layout = plan.layout
    peer = f"https://{HOST}:{plan.ports.etcd_peer}"
    certificate, key = layout.pki("etcd-server.crt"), layout.pki("etcd-server.key")
    authority = layout.pki("etcd-ca.crt")
    return _flags(
        name="sandbox",
        data_dir=layout.etcd_data,
        listen_client_urls=plan.etcd_endpoint,
        advertise_client_urls=plan.etcd_endpoint,
        listen_peer_urls=peer,
        initial_advertise_peer_urls=peer,
        initial_cluster=f"sandbox={peer}",
        cert_file=certificate,
        key_file=key,
        trusted_ca_file=authority,
        client_cert_auth="true",
        peer_cert_file=certificate,
        peer_key_file=key,
        peer_trusted_ca_file=authority,
        peer_client_cert_auth="true",
        unsafe_no_fsync="true",  # what a sandbox holds need not survive a power cut
        quota_backend_bytes=4 * 1024**3,
        heartbeat_interval=20,  # milliseconds; a lone member elects itself in no time
        election_timeout=200,
        log_level="warn",
    )


def _apiserver(plan: Plan) -> list[str]:
    layout = plan.layout
    flags = _flags(
        bind_address=HOST,
        advertise_address=HOST,
        secure_port=plan.ports.apiserver,
        external_hostname="localhost",
        tls_cert_file=layout.pki("apiserver.crt"),
        tls_private_key_file=layout.pki("apiserver.key"),
        client_ca_file=layout.pki("ca.crt"),
        etcd_servers=plan.etcd_endpoint,
        etcd_cafile=layout.pki("etcd-ca.crt"),
        etcd_certfile=layout.pki("etcd-client.crt"),
        etcd_keyfile=layout.pki("etcd-client.key"),
        authorization_mode="RBAC",
        service_cluster_ip_range=SERVICE_RANGE,
        service_account_issuer="https://kubernetes.default.svc.cluster.local",
        service_account_key_file=layout.pki("service-account.crt"),
        service_account_signing_key_file=layout.pki("service-account.key"),
        requestheader_client_ca_file=layout.pki("front-proxy-ca.crt"),
        requestheader_allowed_names="front-proxy-client",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=layout.pki("front-proxy-client.crt"),
        proxy_client_key_file=layout.pki("front-proxy-client.key"),
        kubelet_certificate_authority=layout.pki("ca.crt"),
        kubelet_preferred_address_types="InternalIP",
        # Endpoints may not lie on loopback, so the Service kubernetes stays without any.
        endpoint_reconciler_type="none",
        # Our nodes are born Ready: the taint would only wait for the controller manager.
        disable_admission_plugins="TaintNodesByCondition",
        allow_privileged="true",
        profiling="false",
        shutdown_delay_duration="0s",
    )
    return [*flags, *plan.extra_apiserver_args]


def _controller_manager(plan: Plan) -> list[str]:
    layout = plan.layout
    return _flags(
        **_client(plan, CONTROLLER_MANAGER),
        controllers="*,-node-route-controller,-service-lb-controller,-cloud-node-lifecycle-controller",
        cluster_signing_cert_file=layout.pki("ca.crt"),
        cluster_signing_key_file=layout.pki("ca.key"),
        root_ca_file=layout.pki("ca.crt"),
        service_account_private_key_file=layout.pki("service-account.key"),
        controller_start_interval="0s",
        flex_volume_plugin_dir=layout.root / "volume-plugins",  # else one in /usr is made
        node_monitor_grace_period=_NEVER,  # nobody sends heartbeats
        node_startup_grace_period=_NEVER,
    )


def _scheduler(plan: Plan) -> list[str]:
    return _flags(**_client(plan, SCHEDULER))


def _kwok(plan: Plan) -> list[str]:
    stages = sorted((MODULE_FOLDER / "stages").glob("*.yaml"))
    flags = _flags(
        kubeconfig=plan.layout.component_kubeconfig(KWOK),
        manage_all_nodes="true",
        enable_crds="",
        cidr=POD_RANGE,
        node_ip=HOST,
        node_port=plan.ports.kwok,
        server_address=f"{HOST}:{plan.ports.kwok}",
        tls_cert_file=plan.layout.pki("kubelet.crt"),
        tls_private_key_file=plan.layout.pki("kubelet.key"),
        node_lease_duration_seconds=0,
    )
    return [*flags, *(f"--config={file}" for file in (*stages, plan.layout.kwok_config))]


def _client(plan: Plan, component: str) -> dict[str, str | int | Path]:
    return {
        "kubeconfig": plan.layout.component_kubeconfig(component),
        "kube_api_qps": _REQUESTS_PER_SECOND,
        "kube_api_burst": 2 * _REQUESTS_PER_SECOND,
        "leader_elect": "false",
        "profiling": "false",
        "secure_port": 0,
    }


def _flags(**values: str | int | Path) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


_FLAGS = {
    ETCD: _etcd,
    APISERVER: _apiserver,
    CONTROLLER_MANAGER: _controller_manager,
    SCHEDULER: _scheduler,
    KWOK: _kwok,
}
