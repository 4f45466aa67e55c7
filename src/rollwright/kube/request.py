"""API requests as values: what is sent for a list, an apply, a delete.

Before: ``cluster`` knows the kind, its plural and its scope.
After: ``transport`` sends the value and reads the answer.
Nothing here sends anything; tests compare requests by equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import quote, urlencode

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import (
    ListRequest,
    LogRequest,
    ServedKind,
)
from rollwright.rollouts.manifest import ObjectRef

PAGE_SIZE = 500
TIMEOUT = timedelta(seconds=60)
"""For one answer. The API server itself gives up after 60 seconds."""

LOG_TIMEOUT = timedelta(seconds=5)
"""For a log: it comes from the pod's node, which may be gone."""

WATCH_GRACE = timedelta(seconds=15)
"""How much longer than the server we wait before a silent watch counts as dead."""


JSON = "application/json"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{JSON}"
METADATA_ONE = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{JSON}"
AGGREGATED = ",".join(
    f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in ("v2", "v2beta1")
)
AGGREGATED_OR_PLAIN = f"{AGGREGATED},{JSON}"


class Call(StrEnum):
    """What a request is, for the count of calls and for messages."""

    DISCOVERY = "discovery"
    LIST = "list"
    GET = "get"
    APPLY = "apply"
    DRY_RUN = "dry-run"
    CREATE = "create"
    REPLACE = "replace"
    PATCH = "patch"
    DELETE = "delete"
    WATCH = "watch"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to an API server.

    Attributes:
        path: Percent-encoded, without the server.
        query: Percent-encoded, without the question mark.
        is_idempotent: Whether sending it twice is sending it once, so that it may be sent again
            when nobody knows whether it arrived.
        is_secret: Whether the object is a Secret, so that no message quotes the answer.
        subject: What messages call it: the object, or the kind that is listed.
        etag: What we have already; the server may answer 304.
    """

    call: Call
    method: str
    path: str
    subject: str
    query: str = ""
    accept: str = JSON
    content_type: str = ""
    body: bytes | None = field(default=None, repr=False)
    is_idempotent: bool = True
    is_secret: bool = False
    timeout: timedelta = TIMEOUT
    etag: str = ""

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


def list_request(
    served: ServedKind, wanted: ListRequest, *, token: str = "", page: int = PAGE_SIZE
) -> Request:
    """Build a LIST of one page.

    Args:
        served: The kind, as the server serves it.
        wanted: What to list. From the watch cache there are no pages.
        token: ``continue`` of the page before.
        page: Objects per page; zero asks for all at once.
    """
    query = _selectors(wanted)
    if wanted.is_cached and not token:
        query["resourceVersion"] = "0"
    elif page:
        query["limit"] = str(page)
    if token:
        query["continue"] = token
    return Request(
        call=Call.LIST,
        method="GET",
        path=collection_path(served, wanted.namespace),
        query=urlencode(query),
        accept=METADATA_LIST if wanted.metadata_only else JSON,
        subject=_subject(served, wanted),
        is_secret=is_of_secret(served),
    )


def watch_request(
    served: ServedKind, wanted: ListRequest, *, resource_version: str, seconds: int
) -> Request:
    """Build a WATCH that the server ends by itself after some seconds."""
    query = _selectors(wanted)
    query |= {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": resource_version,
        "timeoutSeconds": str(seconds),
    }
    return Request(
        call=Call.WATCH,
        method="GET",
        path=collection_path(served, wanted.namespace),
        query=urlencode(query),
        accept=METADATA_ONE if wanted.metadata_only else JSON,
        subject=_subject(served, wanted),
        is_secret=is_of_secret(served),
        timeout=timedelta(seconds=seconds) + WATCH_GRACE,
    )


def get_request(served: ServedKind, ref: ObjectRef) -> Request:
    """Build a GET of one object."""
    return Request(
        call=Call.GET,
        method="GET",
        path=object_path(served, ref),
        subject=str(ref),
        is_secret=is_of_secret(ref),
    )


def log_request(served: ServedKind, wanted: LogRequest) -> Request:
    """Build a GET of the last lines of a container's log."""
    query = {
        "container": wanted.container,
        "tailLines": str(wanted.tail_count),
        "limitBytes": str(wanted.limit_bytes),
        **({"previous": "true"} if wanted.is_previous else {}),
    }
    return Request(
        call=Call.OTHER,
        method="GET",
        path=f"{object_path(served, wanted.pod)}/log",
        query=urlencode(query),
        accept=f"text/plain, {JSON}, */*",
        subject=f"log of {wanted.pod}",
        timeout=LOG_TIMEOUT,
    )


def discovery_request(path: str, *, etag: str = "", accept: str = AGGREGATED_OR_PLAIN) -> Request:
    """Build a read of ``/api``, ``/apis`` or of one group and version below them."""
    return Request(
        call=Call.DISCOVERY, method="GET", path=path, subject=path, accept=accept, etag=etag
    )


def other_request(path: str) -> Request:
    """Build a GET of something that is no object, such as ``/version``."""
    return Request(call=Call.OTHER, method="GET", path=path, subject=path)


def collection_path(served: ServedKind, namespace: str = "") -> str:
    """Return the path of all objects of a kind, in one namespace or in all."""
    group = f"apis/{served.group}" if served.group else "api"
    scope = f"namespaces/{path_segment(namespace)}/" if namespace and served.is_namespaced else ""
    return f"/{group}/{served.version}/{scope}{served.plural}"


def object_path(served: ServedKind, ref: ObjectRef) -> str:
    """Return the path of one object.

    Raises:
        ClusterError: A namespaced object without a namespace, or a name that would lead elsewhere.
    """
    if served.is_namespaced and not ref.namespace:
        raise ClusterError(f"{ref}: no namespace", status=422, reason="Invalid")
    return f"{collection_path(served, ref.namespace)}/{path_segment(ref.name)}"


def path_segment(name: str) -> str:
    """Return a name as one segment of a path."""
    # NB: the API server decodes the path before it splits it: "web%2Fstatus" is a subresource.
    if name in {"", ".", ".."} or "/" in name or "%" in name:
        message = f"name {name!r} cannot stand in a path"
        raise ClusterError(message, status=422, reason="Invalid")
    return quote(name, safe="")


def _selectors(wanted: ListRequest) -> dict[str, str]:
    pairs = {"labelSelector": wanted.label_selector, "fieldSelector": wanted.field_selector}
    return {key: value for key, value in pairs.items() if value}


def _subject(served: ServedKind, wanted: ListRequest) -> str:
    kind = f"{served.kind}.{served.group}" if served.group else served.kind
    is_scoped = wanted.namespace and served.is_namespaced
    return f"{kind} in namespace {wanted.namespace!r}" if is_scoped else kind


def is_of_secret(one: ObjectRef | ServedKind) -> bool:
    """Whether a request is about Secrets, whose bodies no message may quote."""
    return one.kind == "Secret" and not one.group
