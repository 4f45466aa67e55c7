"""Manifests that SOPS encrypted (RE-31, RE-32).

A Secret is decrypted. An object that says it is not to be decrypted stays as it is: an operator
in the cluster may be the one who does. Anything else would show its clear text in every plan, so
it is refused unless it says that it may be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollwright.documents import Document, load_all
from rollwright.errors import InvalidDocument, RenderError
from rollwright.plugins import sops
from rollwright.rollouts.manifest import is_secret

DECRYPT = "rollwright.dev/decrypt"
"""``disabled``: leave it as it is; ``shown``: its clear text is no secret."""

_ALSO = "kustomize.toolkit.fluxcd.io/decrypt"


def decrypted_manifests(text: bytes, name: str) -> bytes:
    """Return a file of manifests with everything in it that SOPS encrypted in clear text.

    Raises:
        RenderError: It cannot be decrypted, or would be shown.
    """
    if sops.MARK not in text:
        return text
    try:
        documents = load_all(text, name=name)
    except InvalidDocument:
        return text  # whoever reads the manifests says why
    encrypted = [one for one in documents if sops.is_encrypted(one.value)]
    wanted = [one for one in encrypted if not is_left(_annotations(one.value))]
    if not wanted:
        return text
    if len(wanted) < len(encrypted):
        raise RenderError(
            f"{name}: some of its objects are to be decrypted and some are not",
            hint="a file is decrypted as a whole: put them into files of their own",
        )
    clear = sops.decrypt(text, name)
    _refuse_shown(load_all(clear, name=name), name)
    return clear


def _refuse_shown(clear: tuple[Document, ...], name: str) -> None:
    """Refuse clear text that plans would show; the kind may have been encrypted itself."""
    for one in clear:
        if not all(map(is_secret, _objects(one.value))) and not _is_shown(one.value):
            raise RenderError(
                f"{name}: it is encrypted and holds more than Secrets, so plans would show its"
                " clear text",
                hint=f"put Secrets alone into it, or annotate the others with {DECRYPT}: shown",
            )


def _objects(value: Any) -> Iterator[Any]:
    is_list = isinstance(value, Mapping) and str(value.get("kind", "")).endswith("List")
    items = value.get("items") if is_list else None
    for one in items if isinstance(items, list) else (value,):
        yield one if isinstance(one, Mapping) else {}


def is_left(marks: Mapping[str, Any]) -> bool:
    """Whether annotations say that something is to stay encrypted."""
    return any(str(marks.get(key, "")).lower() == "disabled" for key in (DECRYPT, _ALSO))


def _is_shown(value: Any) -> bool:
    return bool(_annotations(value).get(DECRYPT) == "shown")


def _annotations(value: Any) -> Mapping[str, Any]:
    metadata = value.get("metadata") if isinstance(value, Mapping) else None
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}
