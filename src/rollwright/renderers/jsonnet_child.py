"""The child process in which jsonnet is evaluated: a program of its own, started by its path.

Before: ``jsonnet`` wrote a request, a file of JSON.
After: it reads one line of JSON: the output and what was read, or the complaint.

Nothing of Rollwright is imported here, so that starting costs little; and jsonnet is imported
nowhere else, as an evaluation that runs away can only be stopped together with its process.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

CONFIG = "generic-operator/config"
RUNTIME = "locutus-runtime/"
LARGEST_BYTES = 64 * 2**20


class Importer:
    """Finds what an import means, inside the tree only, links followed; keeps what was read."""

    def __init__(self, root: Path, jpaths: list[str], config: str) -> None:
        self._root = root.resolve()
        self._jpaths, self._config = jpaths, config
        self._texts: dict[str, bytes] = {}

    @property
    def read(self) -> list[str]:
        """Every file that was read, below the tree."""
        return sorted(self._texts)

    def __call__(self, folder: str, name: str) -> tuple[str, bytes]:
        """Return the path and the text of an import; jsonnet's messages show that path."""
        if name == CONFIG:
            return CONFIG, self._config.encode()
        if name.startswith(RUNTIME):
            raise ImportError("there is no runtime data: nothing is watched or queried here")
        path = self._find(folder, name)
        if path not in self._texts:
            self._texts[path] = self._text(path)
        return path, self._texts[path]

    def _find(self, folder: str, name: str) -> str:
        if PurePosixPath(name).is_absolute():
            raise ImportError("paths are relative to the source")
        is_outside = False
        for place in (folder, *self._jpaths):
            path = (self._root / place / name).resolve()
            if not path.is_relative_to(self._root):
                is_outside = True
            elif path.is_file():
                return path.relative_to(self._root).as_posix()
        places = ", ".join(place or "." for place in (folder, *self._jpaths))
        why = "it leads out of the source" if is_outside else f"no such file in {places}"
        raise ImportError(why)

    def _text(self, path: str) -> bytes:
        file = self._root / path
        if file.stat().st_size > LARGEST_BYTES:
            raise ImportError(f"larger than {LARGEST_BYTES:,} bytes")
        return file.read_bytes()


def evaluate(request: dict[str, Any]) -> dict[str, Any]:
    """Return ``output`` and ``read``, or ``error``: what jsonnet says."""
    jsonnet = import_module("_jsonnet")  # in this process only
    importer = Importer(Path(request["root"]), request["jpaths"], request["config"])
    try:
        path, text = importer("", request["entrypoint"])
        output = jsonnet.evaluate_snippet(
            path,
            text.decode(),
            import_callback=importer,
            max_stack=request["maxStack"],
            max_trace=0,
            ext_vars=request["extStr"],
            ext_codes=request["extCode"],
            tla_vars=request["tlaStr"],
            tla_codes=request["tlaCode"],
        )
    except (RuntimeError, ImportError, OSError, UnicodeDecodeError) as error:
        return {"error": str(error)}
    return {"output": output, "read": importer.read}


def main(path: str) -> None:
    """Answer the request of a file."""
    answer = evaluate(json.loads(Path(path).read_bytes()))
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])
