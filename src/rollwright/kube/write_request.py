"""Requests that change the cluster, built and not sent: apply, create, replace, patch, delete.

Before: the port was asked to write. After: ``transport`` sends the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import orjson

from rollwright.kube.request import (
    JSON,
    Call,
    Request,
    collection_path,
    is_of_secret,
    object_path,
    path_segment,
)
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    PatchForm,
    PatchRequest,
    Propagation,
    ServedKind,
)
from rollwright.rollouts.manifest import Body, ref_of

MANAGER = "rollwright"


APPLY_PATCH = "application/apply-patch+yaml"


JSON_PATCH = "application/json-patch+json"


PATCH_TYPES = {
    PatchForm.JSON: JSON_PATCH,
    PatchForm.MERGE: "application/merge-patch+json",
    PatchForm.STRATEGIC: "application/strategic-merge-patch+json",
}


def apply_request(served: ServedKind, wanted: ApplyRequest) -> Request:
    """Build a server-side apply; preconditions stand in the body (AP-15)."""
    body = wanted.body
    if wanted.uid or wanted.resource_version:
        body = _with_preconditions(body, wanted.uid, wanted.resource_version)
    return Request(
        call=Call.DRY_RUN if wanted.is_dry_run else Call.APPLY,
        method="PATCH",
        path=object_path(served, wanted.ref),
        query=_apply_query(wanted.manager, wanted.force, wanted.is_dry_run),
        content_type=APPLY_PATCH,
        body=orjson.dumps(body),
        subject=str(wanted.ref),
        is_secret=is_of_secret(wanted.ref),
    )


def create_request(served: ServedKind, body: Body) -> Request:
    """Build a POST of one object; ``generateName`` will do for a name.

    With a name of its own it may be sent again when the answer was lost (RT-02): the second one
    then meets the object, and status 409 says so.
    """
    ref = ref_of(body)
    shown = str(ref) if ref.name else f"{ref}{(body.get('metadata') or {}).get('generateName', '')}"
    return Request(
        call=Call.CREATE,
        method="POST",
        path=collection_path(served, ref.namespace),
        query=_write_query(MANAGER),
        content_type=JSON,
        body=orjson.dumps(body),
        subject=shown,
        is_idempotent=bool(ref.name),
        is_secret=is_of_secret(ref),
    )


def replace_request(served: ServedKind, body: Body, *, is_dry_run: bool = False) -> Request:
    """Build a PUT of one object.

    With the version that it replaces it may be sent again when the answer was lost: the second
    one then meets a later version, and status 409 says so.
    """
    ref = ref_of(body)
    has_version = bool((body.get("metadata") or {}).get("resourceVersion"))
    return Request(
        call=Call.DRY_RUN if is_dry_run else Call.REPLACE,
        method="PUT",
        path=object_path(served, ref),
        query=_write_query(MANAGER, is_dry_run=is_dry_run),
        content_type=JSON,
        body=orjson.dumps(body),
        subject=str(ref),
        is_idempotent=has_version,
        is_secret=is_of_secret(ref),
    )


def patch_request(served: ServedKind, wanted: PatchRequest) -> Request:
    """Build a patch; ``test`` operations would fail the second time."""
    is_list = wanted.form is PatchForm.JSON
    below = f"/{path_segment(wanted.subresource)}" if wanted.subresource else ""
    query = _write_query if wanted.is_strict else _lenient_query
    return Request(
        call=Call.DRY_RUN if wanted.is_dry_run else Call.PATCH,
        method="PATCH",
        path=f"{object_path(served, wanted.ref)}{below}",
        query=query(wanted.manager, is_dry_run=wanted.is_dry_run),
        content_type=PATCH_TYPES[wanted.form],
        body=orjson.dumps(wanted.operations if is_list else wanted.content),
        subject=str(wanted.ref),
        is_idempotent=False,
        is_secret=is_of_secret(wanted.ref),
    )


def delete_request(served: ServedKind, wanted: DeleteRequest) -> Request:
    """Build a DELETE. Without a UID a second one could meet the object's successor."""
    options: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": Propagation(wanted.propagation).value,
    }
    preconditions = _preconditions(wanted.uid, wanted.resource_version)
    if preconditions:
        options["preconditions"] = preconditions
    if wanted.is_dry_run:
        options["dryRun"] = ["All"]
    return Request(
        call=Call.DELETE,
        method="DELETE",
        path=object_path(served, wanted.ref),
        content_type=JSON,
        body=orjson.dumps(options),
        subject=str(wanted.ref),
        is_idempotent=bool(wanted.uid) or wanted.is_dry_run,
        is_secret=is_of_secret(wanted.ref),
    )


def _with_preconditions(body: Body, uid: str, resource_version: str) -> Body:
    metadata: Mapping[str, Any] = body.get("metadata") or {}
    return {**body, "metadata": {**metadata, **_preconditions(uid, resource_version)}}


def _preconditions(uid: str, resource_version: str) -> dict[str, str]:
    pairs = {"uid": uid, "resourceVersion": resource_version}
    return {key: value for key, value in pairs.items() if value}


@lru_cache(maxsize=64)
def _apply_query(manager: str, force: bool, is_dry_run: bool) -> str:  # noqa: FBT001  (cache key)
    query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
    if is_dry_run:
        query["dryRun"] = "All"
    return urlencode(query)


def _write_query(manager: str, *, is_dry_run: bool = False) -> str:
    query = {"fieldManager": manager, "fieldValidation": "Strict"}
    return urlencode({**query, "dryRun": "All"} if is_dry_run else query)


def _lenient_query(manager: str, *, is_dry_run: bool = False) -> str:
    """Let the server leave out what a schema does not have: it is not our schema."""
    strict = _write_query(manager, is_dry_run=is_dry_run)
    return strict.replace("fieldValidation=Strict", "fieldValidation=Ignore")
