"""The files of single commits, kept in folders that are called as the commits.

A folder appears whole, by a rename: what is there is complete. The newest and those that were
used lately stay, others are removed; nothing depends on them but time.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

KEPT = 8
"""Folders that stay however old they are."""
REST_SECONDS = 24 * 3600
"""For how long nobody must have used a folder before it may go."""
OLD_SECONDS = 30 * 24 * 3600
"""After which it goes, even if it is among the newest."""

_NEW = ".new-"


class Trees:
    """The kept folders of one repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, commit: str) -> Path | None:
        """Return the folder of a commit if it is kept, and note that it is used."""
        place = self.folder / commit
        try:
            os.utime(place)
        except FileNotFoundError:
            return None
        return place

    def begin(self) -> Path:
        """Return an empty folder to fill."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self.folder / f"{_NEW}{uuid4().hex}"
        place.mkdir(mode=0o700)
        return place

    def keep(self, filled: Path, commit: str) -> Path:
        """Keep a filled folder as that of a commit."""
        place = self.folder / commit
        filled.rename(place)
        os.utime(place)
        return place

    def sweep(self) -> None:
        """Remove what a killed process left; nobody else is at work."""
        for path in self.folder.glob(f"{_NEW}*"):
            rmtree(path, ignore_errors=True)

    def tidy(self, used: str) -> None:
        """Remove folders that nobody needs any more; ``used`` stays."""
        now = time.time()
        ages = sorted(
            (now - path.stat().st_mtime, path)
            for path in self.folder.iterdir()
            if path.name != used and not path.name.startswith(".")
        )
        for number, (age, path) in enumerate(ages, 1):
            if age > OLD_SECONDS or (number >= KEPT and age > REST_SECONDS):
                rmtree(path, ignore_errors=True)
