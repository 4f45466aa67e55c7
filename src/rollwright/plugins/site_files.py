"""Plugins that stand in files of a site, such as ``tasks/smoke.py:Smoke``.

Such a file is no part of a package: it is loaded by its path, under a name of our own that
nothing else can import by accident. It must lie inside the site's folder, links followed.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path, PurePosixPath
from types import CodeType, ModuleType
from typing import Any

_FORM = "expected a file of the site and a name, such as 'tasks/smoke.py:Smoke'"


class SiteFiles:
    """The Python files of one site."""

    def __init__(self, site: Path) -> None:
        self._site = site

    def refusal(self, where: object) -> str | None:
        """Return why ``where`` cannot name a plugin of this site; touches no file."""
        if not isinstance(where, str):
            return _FORM
        file, _, name = where.rpartition(":")
        if not file.endswith(".py") or not name.isidentifier():
            return f"{where!r}: {_FORM}"
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            return f"{where!r} lies outside of the site"
        return None

    def load(self, where: str) -> Any:
        """Return what ``where`` names.

        Raises:
            ValueError: The file lies outside of the site.
            OSError: It cannot be read.
            AttributeError: It has no such name.
        """
        file, _, name = where.rpartition(":")
        site = self._site.resolve()
        path = (site / file).resolve(strict=True)
        if not path.is_relative_to(site):
            raise ValueError(f"{file} leads out of the site")
        return getattr(_module(path), name)


class _Fresh(SourceFileLoader):
    """Compiles what the file says now.

    Kept bytecode is told apart by second and size: a file that was changed at once would be
    loaded as it was. And a site's folder is not ours to write to.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _module(path: Path) -> ModuleType:
    # The name follows path and contents, so that two registries of one process share a module
    # and pydantic finds it in sys.modules while it resolves annotations.
    digest = sha256(str(path).encode() + b"\0" + path.read_bytes()).hexdigest()[:16]
    name = f"_rollwright_site_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path, loader=_Fresh(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
