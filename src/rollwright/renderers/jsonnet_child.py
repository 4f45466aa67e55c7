"""The child process in which jsonnet is evaluated: a program of its own, started by its path.

Before: ``jsonnet`` wrote a request, a file of JSON.
After: it reads one line of JSON: the outputs and what was read, or the complaint.

Nothing of Rollwright is imported here, so that starting costs little; and no engine is imported
anywhere else, as an evaluation that runs away can only be stopped together with its process.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

CONFIGS = ("rollwright/config", "generic-operator/config")
RUNTIMES = ("rollwright-runtime/", "locutus-runtime/")
LARGEST_BYTES = 64 * 2**20
LONGEST_TRACE = 16 * 2**10

# NB: the engines recurse on the native stack, and the usual 8 MiB are not enough for the deepest
# calls that ``max_stack`` allows.
STACK_BYTES = 256 * 2**20


class Importer:
    """Finds what an import means, inside the tree only, links followed; keeps what was read.

    It never raises: gojsonnet would lose the words. What is wrong is recorded, and jsonnet gets
    an expression that fails.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._root = Path(request["root"]).resolve()
        self._jpaths: list[str] = request["jpaths"]
        self._aliases: dict[str, str] = request["aliases"]
        self._config: str = request["config"]
        self._data: dict[str, str] = request["data"]
        self._texts: dict[str, bytes] = {}
        self.complaint = ""

    @property
    def read(self) -> list[str]:
        """Every file that was read, below the tree."""
        return sorted(self._texts)

    def __call__(self, folder: str, name: str) -> tuple[str, bytes]:
        """Return the path and the text of an import; jsonnet's messages show that path."""
        try:
            return self.find(folder, name)
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            place = self._place(folder, name)
            self.complaint = self.complaint or f'{place}couldn\'t open import "{name}": {error}'
            return f"<{name}>", f"error {json.dumps(str(error))}".encode()

    def find(self, folder: str, name: str) -> tuple[str, bytes]:
        """Return the path and the text of an import.

        Raises:
            ImportError: It is not in the tree, or too large.
        """
        if name in CONFIGS:
            return name, self._data.get(name, self._config).encode()
        for prefix in RUNTIMES:
            if name.startswith(prefix):
                return name, self._runtime(name.removeprefix(prefix))
        path = self._path(self._below(folder), name)
        if path not in self._texts:
            self._texts[path] = self._text(path)
        return path, self._texts[path]

    def _runtime(self, name: str) -> bytes:
        if name in self._data:
            return self._data[name].encode()
        if not self._data:
            raise ImportError("there is no runtime data: nothing is watched or queried here")
        raise ImportError(f"no such runtime data; known: {', '.join(sorted(self._data))}")

    def _below(self, folder: str) -> str:
        """Return a folder below the tree; rjsonnet names the working folder for no folder."""
        if not PurePosixPath(folder).is_absolute():
            return folder
        found = Path(folder).resolve()
        return found.relative_to(self._root).as_posix() if found.is_relative_to(self._root) else ""

    def _path(self, folder: str, name: str) -> str:
        if PurePosixPath(name).is_absolute():
            raise ImportError("paths are relative to the source")
        is_outside = False
        first, _, rest = name.partition("/")
        aliased = [f"{self._aliases[first]}/{rest}"] if first in self._aliases else []
        places = [f"{place}/{name}" if place else name for place in (folder, *self._jpaths)]
        for place in (*places, *aliased):
            path = (self._root / place).resolve()
            if not path.is_relative_to(self._root):
                is_outside = True
            elif path.is_file():
                return path.relative_to(self._root).as_posix()
        looked = ", ".join(place or "." for place in (folder, *self._jpaths))
        why = "it leads out of the source" if is_outside else f"no such file in {looked}"
        raise ImportError(why)

    def _text(self, path: str) -> bytes:
        file = self._root / path
        if file.stat().st_size > LARGEST_BYTES:
            raise ImportError(f"larger than {LARGEST_BYTES:,} bytes")
        return file.read_bytes()

    def _place(self, folder: str, name: str) -> str:
        """Return ``file:line: `` of an import; the engines tell only the folder it stands in."""
        home = PurePosixPath(self._below(folder))
        words = re.compile(rb"import(?:str|bin)?\s*@?(['\"])" + re.escape(name.encode()) + rb"\1")
        for path, text in self._texts.items():
            found = words.search(text) if PurePosixPath(path).parent == home else None
            if found:
                line = text.count(b"\n", 0, found.start()) + 1
                return f"{path}:{line}: "
        return ""


class _Texts:
    """An importer for rjsonnet, which takes text only."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer

    def __call__(self, folder: str, name: str) -> tuple[str, str]:
        path, text = self._importer(folder, name)
        try:
            return path, text.decode()
        except UnicodeDecodeError:
            words = f"{path}: not UTF-8, and this engine reads nothing else"
            self._importer.complaint = self._importer.complaint or words
            return f"<{name}>", f"error {json.dumps(words)}"


def evaluate(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``outputs`` and ``read``, or ``error``: what jsonnet says, and about which file."""
    importer = Importer(request)
    outputs: list[tuple[str, str]] = []
    for entrypoint in request["entrypoints"]:
        error, output = "", ""
        try:
            output = _evaluated(request, entrypoint, importer)
        except (RuntimeError, ImportError, OSError, ValueError) as caught:
            error = str(caught) or type(caught).__name__
        if importer.complaint:
            return _complaint(importer, entrypoint, importer.complaint, is_placed=True)
        if error:
            return _complaint(importer, entrypoint, error, is_placed=False)
        outputs.append((entrypoint, output))
    return {"outputs": outputs, "read": importer.read}


def _complaint(importer: Importer, file: str, text: str, *, is_placed: bool) -> dict[str, Any]:
    words = text[:LONGEST_TRACE]
    return {"error": words, "isPlaced": is_placed, "file": file, "read": importer.read}


def _evaluated(request: Mapping[str, Any], entrypoint: str, importer: Importer) -> str:
    path, text = importer.find("", entrypoint)
    module = import_module(request["module"])  # in this process only
    if request["module"] == "rjsonnet":
        # It takes every snippet for one of the working folder: so the file is imported.
        snippet, callback = f"import {json.dumps(path)}", _Texts(importer)
        return str(_call(module, request, ("main", snippet), callback))
    return str(_call(module, request, (path, text.decode()), importer))


def _call(
    module: Any, request: Mapping[str, Any], snippet: tuple[str, str], callback: Callable[..., Any]
) -> Any:
    return module.evaluate_snippet(
        *snippet,
        import_callback=callback,
        max_stack=request["maxStack"],
        ext_vars=request["extStr"],
        ext_codes=request["extCode"],
        tla_vars=request["tlaStr"],
        tla_codes=request["tlaCode"],
    )


def _stack_bytes() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return STACK_BYTES if limit < 0 else min(STACK_BYTES, limit // 8 // 2**20 * 2**20)


def main(path: str) -> None:
    """Answer the request of a file."""
    answers: list[dict[str, Any]] = []
    request = json.loads(Path(path).read_bytes())
    threading.stack_size(_stack_bytes())
    thread = threading.Thread(target=lambda: answers.append(evaluate(request)))
    thread.start()
    thread.join()
    sys.stdout.write(json.dumps(answers[0] if answers else {"error": "ended without an answer"}))


if __name__ == "__main__":
    main(sys.argv[1])
