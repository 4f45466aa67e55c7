"""Exotic credentials: ``exec`` plugins and ``auth-provider``, through the official client.

Before: ``auth`` met a user that has one of them.
After: ``credentials`` asks again before they end.

Imported late, run in a thread: the official package costs 0.3 s and blocks. Both kinds run
commands of the kubeconfig's choice, so a kubeconfig is code: it comes from the operator only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from rollwright.errors import Unauthorized, excerpt
from rollwright.kube.credentials import Provided
from rollwright.kube.kubeconfig import Chosen
from rollwright.kube.tls import ClientCertificate

HINT = "run it by hand; its command and arguments stand in the kubeconfig"


def provider_of(chosen: Chosen) -> Callable[[], Provided] | None:
    """Return what asks the plugin of the user, ``None`` if it has none."""
    user = chosen.user or {}
    if user.get("auth-provider"):
        return lambda: _from_auth_provider(chosen)
    if user.get("exec"):
        return lambda: _from_exec(chosen, user["exec"])
    return None


def _from_exec(chosen: Chosen, run: Mapping[str, Any]) -> Provided:
    # NB: the loader around ExecProvider logs a plugin's failure and goes on unauthenticated.
    plugins: Any = import_module("kubernetes.config.exec_provider")
    node: Any = import_module("kubernetes.config.kube_config").ConfigNode
    what = f"user {chosen.user_name!r}: exec {run.get('command', '')!r}"
    try:
        cluster = node("cluster", dict(chosen.cluster))
        status = plugins.ExecProvider(node("exec", dict(run)), None, cluster).run()
    except OSError as error:
        raise Unauthorized(f"{what}: cannot run: {error.strerror}", hint=HINT) from error
    except Exception as error:
        raise Unauthorized(f"{what}: {excerpt(str(error))}", hint=HINT) from error
    return _of_status(what, status if isinstance(status, Mapping) else {})


def _of_status(what: str, status: Mapping[str, Any]) -> Provided:
    token, certificate = status.get("token"), status.get("clientCertificateData")
    if not token and not certificate:
        raise Unauthorized(f"{what}: gave neither a token nor a certificate", hint=HINT)
    if certificate and not status.get("clientKeyData"):
        raise Unauthorized(f"{what}: gave a certificate without its key", hint=HINT)
    return Provided(
        headers=(("Authorization", f"Bearer {token}"),) if token else (),
        certificate=_certificate(status) if certificate else None,
        expires_at=_instant(what, status.get("expirationTimestamp")),
    )


def _certificate(status: Mapping[str, Any]) -> ClientCertificate:
    return ClientCertificate(
        certificate=str(status["clientCertificateData"]), key=str(status["clientKeyData"])
    )


def _instant(what: str, text: Any) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Unauthorized(f"{what}: expirationTimestamp {text!r} is no instant") from error
    if instant.tzinfo is None:
        raise Unauthorized(f"{what}: expirationTimestamp {text!r} has no time zone")
    return instant


def _from_auth_provider(chosen: Chosen) -> Provided:
    configuration: Any = import_module("kubernetes.client").Configuration()
    loaders: Any = import_module("kubernetes.config.kube_config")
    name = (chosen.user or {})["auth-provider"].get("name")
    what = f"user {chosen.user_name!r}: auth-provider {name!r}"
    try:
        loader = loaders.KubeConfigLoader(_as_config(chosen), active_context="one")
        loader.load_and_set(configuration)
    except Exception as error:
        raise Unauthorized(f"{what}: {excerpt(str(error))}") from error
    header = configuration.api_key.get("BearerToken")
    if not header:
        raise Unauthorized(
            f"{what}: gave no token",
            hint="log in again, or use an exec plugin: auth-provider is gone from kubectl",
        )
    expiry = getattr(loader, "expiry", None)
    return Provided(headers=(("Authorization", header),), expires_at=expiry)


def _as_config(chosen: Chosen) -> dict[str, Any]:
    # The certificate files are none of its business: it would copy their data to disk.
    user = {"auth-provider": dict((chosen.user or {})["auth-provider"])}
    return {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": {"server": chosen.cluster.get("server", "")}}],
        "users": [{"name": "one", "user": user}],
    }
