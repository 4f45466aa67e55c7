"""The values of a chart, as files that helm reads in turn: later ones win.

In this order: the chart's own ``values.yaml``, ``valuesFiles``, ``values``, the rollout's
``config``. Secrets may be among them, so that they never stand in an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollwright.documents import dump
from rollwright.plugins import tree
from rollwright.renderers.helm.chart import mapping_of
from rollwright.renderers.quotes import secret_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Files to name to helm, in turn.

    Attributes:
        files: Their paths, in a folder of our own.
        names: What the user calls them.
        read: Files of the source that they come from.
        hidden: Texts in them that nobody may read.
    """

    files: tuple[Path, ...]
    names: Mapping[str, str]
    read: tuple[str, ...]
    hidden: tuple[str, ...]


def write_values(
    root: Path, files: Sequence[str], given: Mapping[str, Mapping[str, Any]], folder: Path
) -> Values:
    """Write what helm is to read.

    Args:
        root: The source's tree.
        files: Values files in it.
        given: Values of the document, by what messages call them, in turn.
        folder: Where to write.

    Raises:
        RenderError: A file is not in the source.
        InvalidDocument: A file does not hold one mapping.
    """
    folder.mkdir(mode=0o700)
    names, read, hidden = {}, [], set[str]()
    for number, relative in enumerate(files):
        place = tree.inside(root, relative)
        name, content = tree.name_in(root, place), tree.read(root, place)
        hidden.update(secret_texts(mapping_of(content, name)))
        names[str(_write(folder / f"{number}.yaml", content))] = name
        read.append(name)
    for what, values in given.items():
        if values:
            hidden.update(secret_texts(values))
            content = dump(values).encode()
            names[str(_write(folder / f"{len(names)}.yaml", content))] = what
    return Values(
        files=tuple(Path(one) for one in names),
        names=names,
        read=tuple(read),
        hidden=tuple(hidden),
    )


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
