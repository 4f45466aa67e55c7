"""Whether a chart looks objects up, and what ``helm template`` wrote when it was answered (RE-15).

helm answers ``lookup`` only when it talks to a server, and then checks what it rendered against
it, as an installation would. Where it writes files instead of printing, there is nothing left to
check; it prints the name of each file as often as it adds an object, so that the order is known.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

_LOOKUP = re.compile(rb"""\blookup\s+["'`($.]""")
_ARCHIVES = (".tgz", ".tar.gz")
_WROTE = b"wrote "
_PART = re.compile(rb"^(?=---\r?\n# Source: )", re.MULTILINE)


def looks_up(chart: Path, texts: Iterable[bytes]) -> bool:
    """Whether a template may look an object up; one word too many costs nothing but time.

    Args:
        chart: The chart's folder or archive, which was looked over before.
        texts: Values, which may be templates as well.
    """
    files = [chart] if chart.is_file() else sorted(chart.rglob("*"))
    if any(_LOOKUP.search(text) for text in texts):
        return True
    return any(_mentions(one.name, one.read_bytes()) for one in files if one.is_file())


def _mentions(name: str, content: bytes) -> bool:
    if not name.endswith(_ARCHIVES):
        return bool(_LOOKUP.search(content))
    return any(_mentions(*one) for one in _members(content))


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield member.name, stream.read()


def as_printed(output: bytes, folder: Path) -> bytes:
    """Return what helm would have printed, in its order.

    Args:
        output: What it printed instead: a line for each object.
        folder: Where it wrote the files.
    """
    parts: dict[str, deque[bytes]] = defaultdict(deque)
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        parts[str(path)].extend(one for one in _PART.split(path.read_bytes()) if one.strip())
    lines = (one for one in output.splitlines() if one.startswith(_WROTE))
    named = (one.removeprefix(_WROTE).decode("utf-8", "surrogateescape") for one in lines)
    ordered = [parts[name].popleft() for name in named if parts[name]]
    rest = [one for left in parts.values() for one in left]
    return b"".join((*ordered, *rest))
