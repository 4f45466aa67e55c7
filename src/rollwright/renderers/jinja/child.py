"""The child process in which templates are rendered: a program of its own.

Before: ``renderer`` wrote a request, a file of JSON.
After: it reads one line of JSON: the pages and what was read, or what is wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2.utils import Namespace

from rollwright.errors import RolloutError
from rollwright.renderers.jinja.answers import Watch, failed, succeeded
from rollwright.renderers.jinja.defined import (
    Application,
    Book,
    Definition,
    is_template_file,
    read_book,
)
from rollwright.renderers.jinja.environment import Syntax, TreeLoader, make_environment
from rollwright.renderers.jinja.pages import Page, Printer, TemplateFailure, failure_of

RESERVED = ("values", "rollout", "namespace")


class Target(str):
    """The target's namespace. Jinja calls ``namespace()`` to make variables for its loops."""

    __slots__ = ()

    def __call__(self, *args: Any, **values: Any) -> Namespace:
        """Return variables that a loop may set."""
        return Namespace(*args, **values)


def render(request: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    """Return ``pages`` and ``read``, or ``failures``."""
    loader = TreeLoader(Path(request["root"]))
    work = _Work(request, loader, watch)
    pages, failures = [], []
    for step in work.steps():
        try:
            pages.append(step())
        except TemplateFailure as failure:
            failures.append(failure)
    failures = [*work.failures, *failures]
    return failed(failures) if failures else succeeded(pages, sorted(loader.read))


class _Work:
    """What a request asks for: definitions first, then each file in its order."""

    def __init__(self, request: Mapping[str, Any], loader: TreeLoader, watch: Watch) -> None:
        self._files: list[str] = request["files"]
        self._loader, self._watch = loader, watch
        self._context = _context(request)
        syntax = _syntax(request["syntax"])
        self._printer = Printer(
            make_environment(loader, syntax), make_environment(loader, syntax, marks=True)
        )
        self._book = Book()
        self.failures: list[TemplateFailure] = []

    def steps(self) -> Iterator[Callable[[], Page]]:
        uses = {name: self._uses(name) for name in self._files if is_template_file(name)}
        for name in self._files:
            if name not in uses:
                yield partial(self._page, name, name, {})
            for number, use in enumerate(uses.get(name, ()), 1):
                yield partial(self._applied, use, number)

    def _uses(self, name: str) -> list[Application]:
        """Take the definitions of a file, and return the applications."""
        uses = []
        try:
            text = self._loader.text(name) or ""
            for one in read_book(text, name, lambda path: _resolved(self._loader, name, path)):
                if isinstance(one, Definition):
                    self._book.define(one)
                else:
                    uses.append(one)
        except (RolloutError, TemplateFailure) as error:
            self.failures.append(failure_of(error, name, {}))
        return uses

    def _applied(self, use: Application, number: int) -> Page:
        definition = self._book.find(use)
        key = f"{use.file}/{use.name}" + (f"-{number}" if number > 1 else "")
        return self._page(definition.path, key, {"values": self._book.values(use)})

    def _page(self, file: str, key: str, more: Mapping[str, Any]) -> Page:
        self._watch.at(file)
        return self._printer.page(file, key, {**self._context, **more})


def _resolved(loader: TreeLoader, file: str, path: str) -> str:
    """Return a path that a file names: beside it, or below the root."""
    folder = file.rpartition("/")[0]
    beside = f"{folder}/{path}" if folder else path
    return beside if not path.startswith("/") and loader.is_there(beside) else path


def _context(request: Mapping[str, Any]) -> dict[str, Any]:
    values = request["values"]
    return {
        **values,
        "values": values,
        "rollout": request["rollout"],
        "namespace": Target(request["namespace"]),
    }


def _syntax(given: Mapping[str, Any]) -> Syntax:
    return Syntax(
        variable=tuple(given["variable"]),
        block=tuple(given["block"]),
        comment=tuple(given["comment"]),
        trim_blocks=given["trimBlocks"],
        lstrip_blocks=given["lstripBlocks"],
    )


def main(path: str) -> None:
    """Answer the request of a file."""
    file = Path(path)
    request = json.loads(file.read_bytes())
    watch = Watch(file.with_name("progress"), request["seconds"])
    sys.stdout.write(json.dumps(watch.over(lambda: render(request, watch))))


if __name__ == "__main__":
    main(sys.argv[1])
