"""Rendered sets as bytes: what the render cache keeps."""

from __future__ import annotations

from typing import Any

import orjson

from rollwright.errors import Problem
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, is_secret, ref_of

VERSION = 2


def packed(manifests: ManifestSet, *, with_digests: bool = False) -> bytes | None:
    """Return a set as bytes; ``None`` if it holds what JSON cannot say.

    Args:
        manifests: The set.
        with_digests: Whether digests of bodies are kept with them; never those of Secrets.
    """
    form = {
        "version": VERSION,
        "manifests": [_form(one, with_digest=with_digests) for one in manifests],
        "hooks": [_form(one, with_digest=False) for one in manifests.hooks],
        "faults": manifests.faults,
        "rollout": manifests.rollout,
        "inputs": manifests.inputs,
        "warnings": [[one.where, one.path, one.message] for one in manifests.warnings],
        "notes": manifests.notes,
    }
    try:
        return orjson.dumps(form)
    except TypeError:
        return None


def unpacked(content: bytes, source: str) -> ManifestSet:
    """Return the set that some bytes are; ``source`` is the revision it counts as.

    Raises:
        ValueError: They are none.
    """
    try:
        form = orjson.loads(content)
        if form["version"] != VERSION:
            raise ValueError("of another version")
        return ManifestSet(
            tuple(map(_manifest, form["manifests"])),
            source,
            faults=tuple(form["faults"]),
            rollout=form["rollout"],
            inputs=tuple(form["inputs"]),
            hooks=tuple(map(_manifest, form["hooks"])),
            warnings=tuple(
                Problem(where=where, path=path, message=message, is_warning=True)
                for where, path, message in form["warnings"]
            ),
            notes=tuple(form["notes"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a rendered set") from error


def _form(manifest: Manifest, *, with_digest: bool) -> list[Any]:
    is_digested = with_digest and not is_secret(manifest.body)
    origin = manifest.origin
    return [
        manifest.body,
        manifest.key,
        origin.file,
        origin.line,
        manifest.document,
        manifest.digest if is_digested else "",
    ]


def _manifest(form: list[Any]) -> Manifest:
    body, key, file, line, document, digest = form
    manifest = Manifest(
        body=body,
        ref=ref_of(body),
        key=key,
        origin=Origin(file=file, line=line),
        document=document,
    )
    if digest:
        manifest.__dict__["digest"] = digest  # what the property would find
    return manifest
