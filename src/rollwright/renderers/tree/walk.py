"""The walk through a tree: each folder before those below it, with its script first.

Before: ``child`` read a request. After: ``resources`` holds every object in its order.

A folder runs the plugins' beginnings in the order of their registration, then its script, then
their ends in the reverse order (TRE-2); the end of ``app`` finds the folders below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from rollwright.documents import load_all
from rollwright.errors import InvalidManifests, RolloutError
from rollwright.renderers.jinja.answers import Watch
from rollwright.renderers.jinja.defined import Application, Book, Definition, read_book
from rollwright.renderers.jinja.environment import TreeLoader
from rollwright.renderers.jinja.pages import Page, TemplateFailure, failure_of
from rollwright.renderers.tree import bindings
from rollwright.renderers.tree.charts import chart_of
from rollwright.renderers.tree.context import GLOBALS, Context
from rollwright.renderers.tree.folder import SCRIPT, Folder
from rollwright.renderers.tree.plugins import (
    DEFAULT_PLUGINS,
    INCLUDES,
    AppContext,
    check_plugin,
    fixed_globs,
    start_folder,
)
from rollwright.renderers.tree.resources import Resources, problems_of
from rollwright.renderers.tree.templating import Templating

MOST_FOLDERS = 10_000
DEEPEST = 100
_NOT_MANIFESTS: Mapping[str, tuple[str, ...]] = {
    "templates": INCLUDES["templates"],
    "helm": INCLUDES["helm"],
}
"""What ``k8s`` leaves to another plugin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A folder that waits for its turn, with its values and the plugins above it."""

    name: str
    ktor: Context
    plugins: tuple[str, ...]
    depth: int = 0


class Walk:
    """One walk through a tree.

    Args:
        root: The tree; nothing outside of it is reached.
        values: Of the rollout's ``config``: each is a value of ``ktor``.
        templating: Renders its templates.
        resources: Takes its objects.
        runs_python: Whether scripts are run; otherwise they are only read.
    """

    def __init__(
        self,
        root: Path,
        values: Mapping[str, Any],
        templating: Templating,
        resources: Resources,
        *,
        runs_python: bool,
    ) -> None:
        self.root, self.resources, self.templating = root, resources, templating
        self.runs_python = runs_python
        self.book = Book()
        self.failures: list[TemplateFailure] = []
        self.folder = Folder(root, ".")
        self._registered: dict[str, Mapping[str, Any]] = {}
        self._plugins: list[str] = ["app", *DEFAULT_PLUGINS]
        self._queue: list[Visit] = []
        self._asked: list[Visit] = []
        self._visited, self._depth = 0, 0
        self.ktor = self._top(values)
        resources.project = self._project

    def run(self, start: str) -> None:
        """Visit a folder and everything below it.

        Raises:
            TemplateFailure: A script failed, or the walk does not end.
        """
        ktor = Context(parent=self.ktor)
        self._queue.append(Visit(name=start, ktor=ktor, plugins=tuple(self._plugins)))
        while self._queue:
            visit = self._queue.pop()
            self._visited += 1
            if self._visited > MOST_FOLDERS:
                raise TemplateFailure(visit.name, 0, f"more than {MOST_FOLDERS:,} folders")
            if visit.depth > DEEPEST:
                raise TemplateFailure(visit.name, 0, f"walked more than {DEEPEST} folders deep")
            self._visit(visit)

    # What scripts and templates call, through ``bindings``.

    def walk_local(self, *paths: str | PurePath, keep_context: bool = False) -> None:
        """Visit folders after this one and before its own (TRE-8, TRE-14)."""
        for path in paths:
            name = self.folder.below(path)
            if not Folder(self.root, name).path.is_dir():
                raise ValueError(f"{name} is no folder")
            ktor = self.ktor if keep_context else Context(parent=self.ktor)
            self._asked.append(Visit(name=name, ktor=ktor, plugins=()))

    def place(self, path: str | PurePath) -> str:
        """Return a path that the present folder names, as messages show it."""
        return self.folder.below(path)

    def register_plugin(self, name: Any, /, **arguments: Any) -> None:
        """Make a plugin part of this folder and those below (TRE-4, TRE-6)."""
        if not isinstance(name, str):
            raise TypeError("plugins of a script's own are not supported; name one of ours")
        former = self._registered.get(name)
        if former is not None and former != arguments:
            raise ValueError(f"the plugin {name!r} is registered already, with other arguments")
        if former is not None and name in self._plugins:
            return
        check_plugin(name, arguments)
        self._registered[name] = arguments
        self._plugins = [*(one for one in self._plugins if one != name), name]
        if name == "project":
            self.ktor.app["project"] = arguments["name"]
        self._begin((name,))

    def apply(self, name: str, values: Mapping[str, Any], source: str = "") -> None:
        """Render a template and take its objects."""
        use = Application(name=name, values=values, file=source or self.script)
        page = self._applied(use)
        self.resources.add_page(page.as_json())

    def rendered(self, name: str, source: str = "", values: Any = ()) -> str:
        """Render a template."""
        use = Application(name=name, values=dict(values), file=source or self.script)
        return self._applied(use).text

    def take_chart(self, given: Mapping[str, Any], file: str) -> None:
        """Take a chart that a file or a script describes."""
        if self.resources.hooks.transformers or self.resources.hooks.patchers:
            raise ValueError("charts are rendered after the tree, and no script can change them")
        chart = chart_of(given, self._chart_place, self._chart_values)
        self.resources.take_chart(chart, file, 0)

    def read(self, path: Any) -> tuple[str, str]:
        """Return name and text of a file that a script names."""
        name = self.folder.below(path)
        text = self.templating.loader.text(name)
        if text is None:
            raise ValueError(f"no file {name!r} in the source")
        return name, text

    @property
    def script(self) -> str:
        """The present script, or the folder."""
        return self.folder.below(SCRIPT)

    def _top(self, values: Mapping[str, Any]) -> Context:
        top = Context()
        top[GLOBALS] = top
        top["app"] = AppContext({**fixed_globs("app"), **bindings.of_app(self)})
        for name, functions in bindings.of_plugins(self).items():
            top[name] = Context({**fixed_globs(name), **functions})
        top["common"] = Context()
        for name, value in values.items():
            if name in top:
                raise TemplateFailure("config", 0, f"{name!r} is a name of the tree's own")
            setattr(top, name, value)
        return top

    def _project(self) -> str:
        app = self.ktor.app
        return str(app.project) if "project" in app else ""

    def _visit(self, visit: Visit) -> None:
        self.folder = Folder(self.root, visit.name)
        self.ktor, self._plugins, self._asked = visit.ktor, list(visit.plugins), []
        self._depth = visit.depth
        self._begin(tuple(self._plugins))
        self._run_script()
        for name in reversed(self._plugins):
            self._end(name)

    def _begin(self, names: tuple[str, ...]) -> None:
        start_folder(self.ktor, names)
        app = self.ktor.app
        app["cwd"] = self.folder.path if self.runs_python else PurePosixPath(self.folder.name)
        app["script"] = self.script
        for name in self._plugins:
            self.ktor.k8s.excludes.extend(_NOT_MANIFESTS.get(name, ()))

    def _run_script(self) -> None:
        name = self.script
        text = self.templating.loader.text(name)
        if text is None:
            return
        self.templating.watch.at(name)
        if self.runs_python:
            bindings.run_python(text, name, self.ktor)
        else:
            bindings.declare(text, name, self.ktor)

    def _end(self, name: str) -> None:
        if name == "app":
            self._find_folders()
            return
        handle = {
            "k8s": self._take_manifests,
            "templates": self._take_book,
            "helm": self._take_file,
        }
        if name not in handle:
            return
        plugin = getattr(self.ktor, name)
        for file in self.folder.files(plugin.includes, plugin.excludes):
            try:
                handle[name](file)
            except TemplateFailure as failure:
                self.failures.append(failure)
            except InvalidManifests as error:
                self.failures += problems_of(error)
            except (RolloutError, TypeError, ValueError) as error:
                self.failures.append(failure_of(error, file, {}))

    def _find_folders(self) -> None:
        app, plugins = self.ktor.app, tuple(self._plugins)
        names = self.folder.folders(app.includes, app.excludes)
        below = [Visit(name=name, ktor=Context(parent=self.ktor), plugins=()) for name in names]
        depth = self._depth + 1
        for one in reversed([*self._asked, *below]):
            self._queue.append(replace(one, plugins=plugins, depth=depth))

    def _take_manifests(self, file: str) -> None:
        self.resources.add_page(self._page(file, file).as_json())

    def _take_book(self, file: str) -> None:
        text = self.templating.loader.text(file) or ""
        for one in read_book(text, file, self.folder.below):
            if isinstance(one, Definition):
                self.book.define(one)
            else:
                self.resources.add_page(self._applied(one).as_json())

    def _take_file(self, file: str) -> None:
        for document in load_all(self._page(file, file).text, name=file):
            if not isinstance(document.value, Mapping):
                raise TemplateFailure(file, document.line, "expected a mapping that names a chart")
            self.take_chart(document.value, file)

    def _applied(self, use: Application) -> Page:
        definition = self.book.find(use)
        values = self.book.values(use)
        return self._page(definition.path, f"{use.file}/{use.name}", values=values)

    def _page(self, file: str, key: str, **more: Any) -> Page:
        return self.templating.page(file, key, {"ktor": self.ktor, **more})

    def _chart_place(self, path: str) -> str:
        """Return where a local chart is: beside the file, else below the root."""
        beside = self.folder.below(path)
        return beside if (self.root / beside).exists() else path

    def _chart_values(self, about: Any, file: str) -> Any:
        page = self._page(file, file, helm=about)
        documents = load_all(page.text, name=file)
        return documents[0].value if documents else {}


def new_walk(
    request: Mapping[str, Any], loader: TreeLoader, watch: Watch, resources: Resources
) -> Walk:
    """Return the walk that a request asks for."""
    names = {"rollout": request["rollout"], "namespace": request["namespace"]}
    return Walk(
        loader.root,
        {**names, **request["values"]},
        Templating(loader, watch),
        resources,
        runs_python=request["runsPython"],
    )
