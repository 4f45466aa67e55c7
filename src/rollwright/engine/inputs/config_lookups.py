"""Live objects and rows of databases that ``config`` asks for, read when a plan is made.

Before: an entry of a document names a kind of object, or a statement.
After: ``configuration`` lays what was found over the values of the entries before.

What was read is told as a digest, so that a saved plan notices a change of it (RE-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollwright.engine.inputs.databases import query
from rollwright.engine.site import Site
from rollwright.errors import NotFound, Refused
from rollwright.plugins.contracts import Cluster, GetRequest, ListRequest
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef, digest_of, group_of, is_secret
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.configuration import ObjectValues, QueryValues

MAX_OBJECTS = 5_000

_NOT_SAID = frozenset({"managedFields", "resourceVersion", "generation"})
"""What moves while nobody changes anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found.

    Attributes:
        value: As the renderer gets it.
        what: What messages call it, such as ``ConfigMap shop/web``.
        digest: Of what was found, without what moves by itself.
        hidden: Values of Secrets in it.
    """

    value: Any = field(repr=False)
    what: str
    digest: str
    hidden: frozenset[str] = field(default=frozenset(), repr=False)


async def look_up_objects(site: Site, spec: RolloutSpec, wanted: ObjectValues) -> Looked:
    """Return the objects that an entry asks for; one for a name, otherwise a list.

    Raises:
        NotFound: The kind is not served, or there is no object and it is required.
        ClusterError: The API server refuses to tell.
    """
    name = spec.target.cluster if wanted.cluster is None else wanted.cluster
    cluster = await site.cluster_named(name)
    namespace = await _namespace(cluster, spec, wanted)
    found = await _found(cluster, wanted, namespace)
    what = _what(wanted, namespace)
    if wanted.name and not found and wanted.required:
        raise NotFound(
            f"no {what} in cluster {cluster.name or 'of the current context'}",
            hint="make it, or write `required: false`",
        )
    bodies = [_said(one) for one in found]
    return Looked(
        value=(bodies[0] if bodies else None) if wanted.name else bodies,
        what=what,
        digest=digest_of([_premise(one) for one in found]),
        hidden=hidden_texts(bodies),
    )


async def look_up_rows(site: Site, wanted: QueryValues) -> Looked:
    """Return the rows that an entry asks for.

    Raises:
        NotFound: site.toml names no such database.
        Unreachable: It does not answer.
        InvalidDocument: It does not understand the statement.
    """
    rows = [dict(row) for row in await query(site, wanted.database, wanted.statement)]
    return Looked(value=rows, what=f"query of {wanted.database!r}", digest=digest_of(rows))


async def _namespace(cluster: Cluster, spec: RolloutSpec, wanted: ObjectValues) -> str:
    served = (await cluster.discover()).find(wanted.api_version, wanted.kind)
    if served is None:
        raise NotFound(
            f"the cluster serves no {wanted.kind} in {wanted.api_version}",
            hint="`kubectl api-resources` shows what it serves",
        )
    if not served.is_namespaced:
        return ""
    given = spec.target.namespace if wanted.namespace is None else wanted.namespace
    if not given and wanted.name:
        raise NotFound(f"{wanted.kind} {wanted.name!r} is in a namespace; expected `namespace`")
    if not given and wanted.namespace is None:
        raise NotFound(
            f"{wanted.kind} is in namespaces, and neither the entry nor the target names one",
            hint="write `namespace: NAME`, or `namespace: ''` for all of them",
        )
    return given


async def _found(cluster: Cluster, wanted: ObjectValues, namespace: str) -> tuple[LiveObject, ...]:
    if wanted.name:
        ref = ObjectRef(group_of(wanted.api_version), wanted.kind, namespace, wanted.name)
        one = await cluster.get(GetRequest(ref=ref, api_version=wanted.api_version))
        return (one,) if one else ()
    request = ListRequest(
        api_version=wanted.api_version,
        kind=wanted.kind,
        namespace=namespace,
        label_selector=",".join(f"{key}={value}" for key, value in wanted.labels.items()),
        field_selector=wanted.field_selector,
    )
    found = await cluster.list(request)
    if len(found) > MAX_OBJECTS:
        raise Refused(
            f"{_what(wanted, namespace)}: more than {MAX_OBJECTS:,} objects",
            hint="select fewer of them with `labels` or `fieldSelector`",
        )
    return tuple(sorted(found, key=lambda one: one.ref))


def _said(one: LiveObject) -> Mapping[str, Any]:
    metadata = {k: v for k, v in one.body["metadata"].items() if k not in _NOT_SAID}
    return {**one.body, "metadata": metadata}


def _premise(one: LiveObject) -> Any:
    metadata = one.body["metadata"]
    if is_secret(one.body):
        # Its values go into no digest that could be guessed back into them.
        return [str(one.ref), metadata.get("uid"), metadata.get("resourceVersion")]
    return {key: value for key, value in _said(one).items() if key != "status"}


def _what(wanted: ObjectValues, namespace: str) -> str:
    name = "/".join(part for part in (namespace, wanted.name) if part)
    labels = ",".join(f"{key}={value}" for key, value in wanted.labels.items())
    return " ".join(part for part in (wanted.kind, name, labels, wanted.field_selector) if part)
