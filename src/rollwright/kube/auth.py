"""From a kubeconfig, or from inside a pod, to access to one cluster.

Before: a site or a person named a kubeconfig, a context and whom to act as.
After: ``transport`` connects with the ``Access``.

Read without the official client, which costs 0.3 s; only ``providers`` needs it.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rollwright.errors import InvalidDocument, NotFound, Unauthorized
from rollwright.kube.credentials import (
    Credentials,
    FixedCredentials,
    Headers,
    Identity,
    ProvidedCredentials,
    TokenFile,
    impersonation,
    with_bearer,
)
from rollwright.kube.kubeconfig import Chosen, read_kubeconfig
from rollwright.kube.providers import provider_of
from rollwright.kube.tls import ClientCertificate, Trust

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_KUBECONFIG = Path("~/.kube/config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach one API server, and as whom.

    Attributes:
        server: URL, possibly with a path, without a slash at its end.
        server_name: Name that its certificate must have, if not the host's.
        proxy: URL of an HTTP proxy; the environment's is never used.
        context: Of the kubeconfig; ``in-cluster`` inside a pod.
        namespace: Of the context.
    """

    server: str
    credentials: Credentials
    trust: Trust = field(default_factory=Trust)
    server_name: str = ""
    proxy: str = ""
    context: str = ""
    namespace: str = "default"

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.server.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, where compressing costs more than it saves."""
        return not self.proxy and _is_loopback(urlsplit(self.server).hostname or "")


def find_access(
    kubeconfig: Path | None,
    *,
    context: str = "",
    impersonate: str = "",
    environ: Mapping[str, str] | None = None,
) -> Access:
    """Find the way to a cluster.

    Args:
        kubeconfig: A file; ``None`` for those of ``KUBECONFIG``, ``~/.kube/config``, or the
            service account of the pod that we run in.
        context: Name of a context; empty for the current one.
        impersonate: User to act as, instead of whom the kubeconfig names.
        environ: The environment, if not this process's.

    Raises:
        NotFound: There is no such file, context, cluster or user.
        InvalidDocument: A kubeconfig cannot be read.
        Unauthorized: The user of the context has no credentials.
    """
    environ = os.environ if environ is None else environ
    files = kubeconfig_files(kubeconfig, environ)
    if not any(file.is_file() for file in files):
        return _without_kubeconfig(kubeconfig, files, context, impersonate, environ)
    return access_of(read_kubeconfig(files).choose(context), impersonate=impersonate)


def kubeconfig_files(kubeconfig: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files to read: the named one, those of ``KUBECONFIG``, or the default."""
    if kubeconfig is not None:
        return (kubeconfig.expanduser(),)
    listed = [Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return tuple(listed) or (DEFAULT_KUBECONFIG.expanduser(),)


def access_of(chosen: Chosen, *, impersonate: str = "") -> Access:
    """Return access as a context describes it."""
    cluster = chosen.cluster
    server = str(cluster.get("server") or "").rstrip("/")
    if urlsplit(server).scheme not in {"http", "https"}:
        raise InvalidDocument(f"cluster {chosen.cluster_name!r}: server {server!r} is no URL")
    _refuse_plain_credentials(server, chosen)
    is_insecure = cluster.get("insecure-skip-tls-verify") is True
    return Access(
        server=server,
        credentials=credentials_of(chosen, impersonate=impersonate),
        trust=Trust(
            ca_file=str(cluster.get("certificate-authority") or ""),
            ca=_decoded(cluster, "certificate-authority-data"),
            is_verified=not is_insecure,
        ),
        server_name=str(cluster.get("tls-server-name") or ""),
        proxy=_proxy(chosen),
        context=chosen.context,
        namespace=chosen.namespace,
    )


def credentials_of(chosen: Chosen, *, impersonate: str = "") -> Credentials:
    """Return what the user of a context has.

    A token wins over a password, and that over a plugin; a certificate is used beside them.

    Raises:
        Unauthorized: The user has nothing at all, and would be anonymous without knowing.
    """
    user = chosen.user or {}
    certificate = _certificate(user)
    base = Identity(headers=_impersonation(user, impersonate), certificate=certificate)
    token, token_file = str(user.get("token") or ""), str(user.get("tokenFile") or "")
    if token_file:
        return TokenFile(Path(token_file), base, fallback=token)
    if token:
        return FixedCredentials(with_bearer(base, token))
    if user.get("username") or user.get("password"):
        return FixedCredentials(_with_password(base, user))
    provide = provider_of(chosen)
    if provide is not None:
        return ProvidedCredentials(provide, base)
    if chosen.user is not None and certificate is None:
        raise Unauthorized(
            f"user {chosen.user_name!r} of context {chosen.context!r} has no credentials",
            hint="add a token, a client certificate or an exec plugin to the kubeconfig",
        )
    return FixedCredentials(base)


def in_cluster(
    environ: Mapping[str, str], *, folder: Path = SERVICE_ACCOUNT, impersonate: str = ""
) -> Access | None:
    """Return access by the service account of the pod that we run in, ``None`` outside."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token, ca, namespace = folder / "token", folder / "ca.crt", folder / "namespace"
    if not host or not port or not token.is_file():
        return None
    address = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{address}:{port}",
        credentials=TokenFile(token, Identity(headers=impersonation(impersonate))),
        trust=Trust(ca_file=str(ca) if ca.is_file() else ""),
        context="in-cluster",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
    )


def _without_kubeconfig(
    kubeconfig: Path | None,
    files: tuple[Path, ...],
    context: str,
    impersonate: str,
    environ: Mapping[str, str],
) -> Access:
    if kubeconfig is None and not context:
        access = in_cluster(environ, impersonate=impersonate)
        if access is not None:
            return access
    where = ", ".join(str(file) for file in files)
    raise NotFound(
        f"no kubeconfig at {where}, and this is no pod with a service account",
        hint="set KUBECONFIG, pass --kubeconfig, or start a sandbox: rollwright sandbox up",
    )


def _impersonation(user: Mapping[str, Any], impersonate: str) -> Headers:
    if impersonate:
        return impersonation(impersonate)
    return impersonation(
        str(user.get("as") or ""),
        uid=str(user.get("as-uid") or ""),
        groups=tuple(str(group) for group in user.get("as-groups") or ()),
        extra=user.get("as-user-extra") or {},
    )


def _certificate(user: Mapping[str, Any]) -> ClientCertificate | None:
    certificate = ClientCertificate(
        certificate_file=str(user.get("client-certificate") or ""),
        key_file=str(user.get("client-key") or ""),
        certificate=_decoded(user, "client-certificate-data"),
        key=_decoded(user, "client-key-data"),
    )
    is_there = certificate.certificate or certificate.certificate_file
    return certificate if is_there else None


def _decoded(section: Mapping[str, Any], key: str) -> str:
    text = str(section.get(key) or "")
    try:
        return base64.b64decode(text, validate=False).decode("ascii", errors="replace")
    except binascii.Error as error:
        raise InvalidDocument(f"kubeconfig: {key} is not base64") from error


def _with_password(base: Identity, user: Mapping[str, Any]) -> Identity:
    pair = f"{user.get('username') or ''}:{user.get('password') or ''}"
    value = base64.b64encode(pair.encode()).decode()
    return Identity(
        headers=(*base.headers, ("Authorization", f"Basic {value}")), certificate=base.certificate
    )


def _proxy(chosen: Chosen) -> str:
    proxy = str(chosen.cluster.get("proxy-url") or "")
    if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
        raise InvalidDocument(
            f"cluster {chosen.cluster_name!r}: proxy-url {urlsplit(proxy).scheme!r} is not spoken",
            hint="use an HTTP proxy",
        )
    return proxy


def _refuse_plain_credentials(server: str, chosen: Chosen) -> None:
    host = urlsplit(server).hostname or ""
    if server.startswith("https://") or _is_loopback(host) or not chosen.user:
        return
    raise Unauthorized(
        f"cluster {chosen.cluster_name!r}: credentials would go unencrypted to {server}",
        hint="use an https:// server, or a context without a user",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
