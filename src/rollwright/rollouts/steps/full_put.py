"""What a PUT of the whole object sends (DOC-19, DOC-20).

Before: ``actions`` decided that a step replaces an object.
After: the server is asked with it, and ``engine.writing.object_actions`` sends it.
"""

from __future__ import annotations

from rollwright.rollouts.manifest import Body

_REVISION = "deployment.kubernetes.io/revision"


def prepared(wanted: Body, live: Body) -> Body:
    """Return what a PUT over a live object sends (DOC-19).

    The version that it replaces always; what the server or a controller has set and refuses to
    lose: the address of a Service, the revision of a Deployment.
    """
    kind = (wanted.get("apiVersion"), wanted.get("kind"))
    metadata = dict(wanted.get("metadata") or {})
    theirs = live.get("metadata") or {}
    metadata["resourceVersion"] = theirs.get("resourceVersion")
    body = {**wanted, "metadata": metadata}
    revision = (theirs.get("annotations") or {}).get(_REVISION)
    if kind == ("apps/v1", "Deployment") and revision is not None:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), _REVISION: revision}
    address = (live.get("spec") or {}).get("clusterIP")
    if kind == ("v1", "Service") and address is not None:
        body["spec"] = {**(wanted.get("spec") or {}), "clusterIP": address}
    return body


def is_same_account(wanted: Body, live: Body) -> bool:
    """Whether a PUT of a ServiceAccount would only make one more token for it (DOC-20)."""
    if (wanted.get("apiVersion"), wanted.get("kind")) != ("v1", "ServiceAccount"):
        return False
    ours, theirs = wanted.get("metadata") or {}, live.get("metadata") or {}
    names = ("name", "namespace", "labels", "annotations")
    return all((ours.get(name) or None) == (theirs.get(name) or None) for name in names)
