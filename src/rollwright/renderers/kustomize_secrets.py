"""Encrypted files of a kustomization, decrypted before it is built (RE-31).

Before: the source holds files that SOPS encrypted: of ``secretGenerator``, or Secrets among the
resources.
After: kustomize builds a private copy of the tree in which they are in clear text; it vanishes
with the build. Nothing is copied where nothing is encrypted.

What would end elsewhere than in a Secret is refused (RE-33), since plans would show it, unless
the generator's annotations say that it may be shown; ``disabled`` leaves it as it is (RE-32).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from rollwright.errors import RenderError
from rollwright.plugins import sops, tree
from rollwright.plugins.sops_manifests import DECRYPT, decrypted_manifests, is_left
from rollwright.renderers import kustomization
from rollwright.renderers.kustomization import Entry
from rollwright.renderers.kustomize_overlay import is_kustomization, resources_of

_SECRETS, _MAPS, _RESOURCES = "secretGenerator.", "configMapGenerator.", "resources"
_LEFT_OUT = shutil.ignore_patterns(".git")


def opened(root: Path, path: str, private: Path) -> Path:
    """Return the tree to build: the source's own, or a copy of it in clear text.

    Args:
        root: The source's tree.
        path: Folder of the kustomization.
        private: Where a copy may be made; nothing is there.

    Raises:
        RenderError: A file cannot be decrypted, or would be shown.
    """
    clear = _clear(root, tree.inside(root, path))
    if not clear:
        return root
    private.mkdir(mode=0o700)
    target = private / "source"
    try:
        _copy(root, target)
    except OSError as error:
        raise RenderError(f"cannot copy the source for its encrypted files: {error}") from error
    for name, text in clear.items():
        place = target / name
        place.unlink()
        place.touch(mode=0o600)
        place.write_bytes(text)
    return target


def _copy(root: Path, target: Path) -> None:
    shutil.copytree(root, target, symlinks=True, ignore=_LEFT_OUT, copy_function=_linked)


def _linked(source: str, target: str) -> None:
    """Give a file a second name; nobody writes into either of them."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target)


def _clear(root: Path, folder: Path) -> Mapping[str, bytes]:
    """Return the clear text of every encrypted file, by its name in the source."""
    clear: dict[str, bytes] = {}
    for entry, place in _files(root, folder):
        name = tree.name_in(root, place)
        text = tree.read(root, place)
        if name not in clear and sops.MARK in text and _is_meant(entry, name, text):
            found = _decrypted(entry, name, text)
            clear |= {name: found} if found != text else {}
    return clear


def _files(root: Path, folder: Path) -> Iterator[tuple[Entry, Path]]:
    """Yield the files that a folder's kustomizations name, and its own objects without one."""
    if not folder.is_dir() or is_kustomization(folder):
        yield from kustomization.check(root, folder) if folder.is_dir() else ()
        return
    for place in resources_of(root, folder):
        if place.is_dir():
            yield from kustomization.check(root, place)
        else:
            yield Entry(file=tree.name_in(root, folder), field=_RESOURCES, text=place.name), place


def _is_meant(entry: Entry, name: str, text: bytes) -> bool:
    """Whether a file is to be decrypted.

    Raises:
        RenderError: It is encrypted, and the generator would show it.
    """
    if entry.field == _RESOURCES:
        return True
    if not entry.field.startswith((_SECRETS, _MAPS)) or is_left(entry.annotations):
        return False
    if not sops.is_encrypted_text(text, name):
        return False
    if entry.field.startswith(_MAPS) and entry.annotations.get(DECRYPT) != "shown":
        raise RenderError(
            f"{entry.about}: {name} is encrypted, and plans would show the ConfigMap's clear text",
            hint=f"use secretGenerator, or set options.annotations: {{{DECRYPT}: shown}}",
        )
    return True


def _decrypted(entry: Entry, name: str, text: bytes) -> bytes:
    if entry.field == _RESOURCES:
        return decrypted_manifests(text, name)
    is_env = entry.field.endswith((".envs", ".env"))
    return sops.decrypt(text, name, form="dotenv" if is_env else sops.form_of_any(name))
