"""The functions of ``ktor``: what scripts and templates may call, and what only Python may.

Before: ``walk`` begins. After: a script says ``ktor.app.walk_local('base')``.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rollwright.documents import load_all
from rollwright.renderers.jinja.pages import TemplateFailure, failure_of
from rollwright.renderers.tree.context import Context
from rollwright.renderers.tree.resources import Resource
from rollwright.renderers.tree.scripts import Api, Silent, declare

if TYPE_CHECKING:
    from rollwright.renderers.tree.walk import Walk

__all__ = ["declare", "of_app", "of_plugins", "run_python"]

_NETWORK = "rendering has no network; make it a source, or put a copy into the tree"
_PROGRAM = "rendering runs no program; use an action Command that the site allows"
_CLUSTER = "rendering sees no cluster"
_REFUSED_APP: Mapping[str, str] = {
    **dict.fromkeys(("walk_remote", "repository", "repository_credentials_provider"), _NETWORK),
    **dict.fromkeys(("download_remote_file", "load_remote_file"), _NETWORK),
    **dict.fromkeys(("run", "run_capturing_out", "run_passthrough_capturing"), _PROGRAM),
}
_REFUSED_K8S: Mapping[str, str] = {
    **dict.fromkeys(("load_remote_resources", "load_remote_crds"), _NETWORK),
    **dict.fromkeys(("import_cluster_crds", "resource", "get_api_versions"), _CLUSTER),
    "resource_generator": "the plan orders objects; use a resource filter",
}


def of_app(walk: Walk) -> dict[str, Any]:
    """Return the functions of ``ktor.app``."""
    functions: dict[str, Callable[..., Any]] = {
        "walk_local": walk.walk_local,
        "register_plugin": walk.register_plugin,
        "display_path": walk.place,
        "config_as_dict": lambda config: {name: getattr(config, name) for name in dir(config)},
        "register_cleanup": lambda _one: None,
    }
    return {**_apis(functions), **_refusals("app", _REFUSED_APP)}


def of_plugins(walk: Walk) -> dict[str, dict[str, Any]]:
    """Return the functions of the other namespaces."""
    k8s: dict[str, Callable[..., Any]] = {
        "add_resources": lambda manifests, source=None: _add(walk, manifests, source),
        "load_resources": lambda path, file_type="yaml": _load(walk, path, file_type),
        "load_crds": lambda path, file_type="yaml": _load(walk, path, file_type),
    }
    templates: dict[str, Callable[..., Any]] = {
        "render_template": walk.rendered,
        "apply_template": lambda name, values=(), source=None: walk.apply(
            name, dict(values), source or ""
        ),
    }
    helm: dict[str, Callable[..., Any]] = {
        "add_helm": lambda **given: walk.take_chart(given, walk.script),
        "add_helm_template": lambda given: walk.take_chart(given, walk.script),
    }
    if walk.runs_python:
        k8s |= _hooks(walk)
    return {
        "k8s": {**_apis(k8s), **_refusals("k8s", _REFUSED_K8S)},
        "templates": _apis(templates),
        "helm": _apis(helm),
    }


def run_python(text: str, file: str, ktor: Context) -> None:
    """Run a script as it is, in this process, which is a child with limits.

    Raises:
        TemplateFailure: It failed; with its line.
    """
    try:
        exec(compile(text, file, "exec"), {"ktor": ktor, "logger": Silent(), "__name__": file})  # noqa: S102  (the site listed the renderer that runs scripts)
    except SyntaxError as error:
        raise TemplateFailure(file, error.lineno or 0, f"not Python: {error.msg}") from error
    except (Exception, SystemExit) as error:
        found = failure_of(error, file, {file: text})
        place = [line for frame, line in traceback.walk_tb(error.__traceback__)
                 if frame.f_code.co_filename == file]  # fmt: skip
        line = place[-1] if place else found.line
        raise TemplateFailure(file, line, found.message) from error


def _hooks(walk: Walk) -> dict[str, Callable[..., Any]]:
    """Return what only functions of a script can use."""
    hooks, found = walk.resources.hooks, dict[str, Callable[..., Any]]()
    lists: Mapping[str, list[Any]] = {
        "transformer": hooks.transformers,
        "validator": hooks.validators,
        "resource_filter": hooks.filters,
    }
    for name, registered in lists.items():
        found[f"add_{name}"] = lambda one, into=registered: _register(into, one)
        found[f"remove_{name}"] = lambda one, out=registered: _remove(out, one)
    found["add_manifest_patcher"] = lambda one: _register(hooks.patchers, one)
    found["create_resource"] = lambda manifest, source=None: Resource(
        dict(manifest), source or walk.script, walk.resources.project()
    )
    return found


def _register(into: list[Any], one: Any) -> None:
    if not callable(one):
        raise TypeError(f"expected a function, got a {type(one).__name__}")
    if one not in into:
        into.append(one)


def _remove(out: list[Any], one: Any) -> None:
    if one in out:
        out.remove(one)


def _add(walk: Walk, manifests: Any, source: str | None) -> None:
    where = source or walk.script
    if isinstance(manifests, str):
        walk.resources.take_text(manifests, where)
        return
    several = [manifests] if isinstance(manifests, Mapping) else list(manifests)
    for one in several:
        walk.resources.take_value(one, where)


def _load(walk: Walk, path: Any, file_type: str) -> Any:
    """Take the objects of a file as they are; a text is only returned."""
    name, text = walk.read(path)
    kind = str(file_type).lower()
    if kind == "text":
        return text
    if kind not in {"yaml", "json"}:
        raise ValueError(f"file type {file_type!r}: expected yaml, json or text")
    if kind == "json" and not name.lower().endswith(".json"):
        load_all(text, name=f"{name}.json")
    walk.resources.take(text, name)
    return None


def _apis(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Api]:
    return {name: Api(one) for name, one in functions.items()}


def _refusals(plugin: str, refused: Mapping[str, str]) -> dict[str, Api]:
    return {name: Api(_refusing(f"{plugin}.{name}", why)) for name, why in refused.items()}


def _refusing(name: str, why: str) -> Callable[..., Any]:
    def refuse(*_args: Any, **_values: Any) -> Any:
        raise ValueError(f"ktor.{name}: {why}")

    return refuse
