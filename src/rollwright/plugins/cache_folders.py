"""Folders that keep what was fetched or unpacked; a temporary one where none can be written.

Before: a plugin knows where it would keep something for the next time.
After: it keeps it there, or for as long as this process lasts, and tells it: a read-only home or
a full disk is no reason not to roll out.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

_made: dict[Path, Path] = {}
_making = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFolder:
    """A folder that can be written.

    Attributes:
        path: The folder; only its owner may write into a temporary one.
        note: What to tell people; empty if it is the folder that was meant.
    """

    path: Path
    note: str = ""


def writable(folder: Path) -> CacheFolder:
    """Return a folder if it can be written, or else a temporary one; the same for all who ask."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return CacheFolder(path=folder)
    except OSError as error:
        why = error.strerror or type(error).__name__
    note = f"cannot write the cache folder {folder} ({why}); a temporary one is used"
    return CacheFolder(path=_temporary(folder), note=note)


def _temporary(folder: Path) -> Path:
    with _making:
        if folder not in _made:
            made = tempfile.mkdtemp(prefix="rollwright-cache-")
            atexit.register(shutil.rmtree, made, ignore_errors=True)
            _made[folder] = Path(made).resolve()
        return _made[folder]
