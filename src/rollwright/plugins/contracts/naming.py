"""What options of a plugin name besides themselves: entries of ``site.toml``, and files.

Before: a document named a plugin, and its options fit their form.
After: ``lint`` and ``doctor`` tell what is not there, before anything waits for it in vain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteName:
    """An entry of ``site.toml`` that options name.

    Attributes:
        table: Where it is declared.
        name: What it is called there; an empty cluster is the current context.
        option: The option that names it; the file's if a file does.
        statement: What a database is asked; empty if that is not known.
        column: The column that an answer must have; empty for any.
    """

    table: Literal["clusters", "databases"]
    name: str
    option: str
    statement: str = ""
    column: str = ""


@runtime_checkable
class NamesEntries(Protocol):
    """A plugin whose options name entries of ``site.toml``."""

    def site_names(self, folders: tuple[Path, ...]) -> Iterable[SiteName]:
        """Return what is named; files that options name are looked for in the folders.

        Raises:
            NotFound: A file that is named is not there.
            InvalidDocument: It cannot be read.
            InvalidSpec: What it holds is wrong.
        """
        ...
