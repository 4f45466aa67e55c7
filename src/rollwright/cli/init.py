"""``rollwright init``: the folders of a site, and a first rollout that works."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rollwright.cli.options import COMMON, Common, Output, usage_error
from rollwright.cli.output import document_text, say, write_document, write_lines
from rollwright.errors import NotFound

_KEPT = ("flows/.gitkeep", "tasks/.gitkeep", "blocks/.gitkeep")
"""Folders that are empty in the beginning; git forgets them otherwise."""


def init(folder: Path = Path(), /, *, output: Output = "text", common: Common = COMMON) -> None:
    """Scaffold a site: folders, site.toml, a first rollout.

    Nothing is overwritten.

    Parameters
    ----------
    folder
        Where; it is made if it is not there.
    output
        How the list of files is printed.
    """
    from rollwright.rollouts.describe.lines import Line, Tone
    from rollwright.rollouts.machine.values import list_form

    del common
    contents = _contents(folder)
    _refuse_overwriting(folder, contents)
    _write(folder, contents)
    if output == "text":
        write_lines(Line(f"+ {name}", Tone.ADDED) for name in contents)
        _say_next(folder)
    else:
        write_document(list_form("FileList", list(contents)), output)


def _contents(folder: Path) -> Mapping[str, str]:
    """Return what each file will hold, by its path."""
    from rollwright.engine.documents import schema_of

    name = _site_name(folder)
    template = files("rollwright.cli") / "scaffold"
    found = {path: text.replace("{name}", name) for path, text in _templates(template, "")}
    schemas = {
        "deployments/schemas/rollout.json": document_text(schema_of("Rollout"), "json"),
        "deployments/schemas/trigger.json": document_text(schema_of("Trigger"), "json"),
        "deployments/schemas/site.json": document_text(schema_of("Site"), "json"),
    }
    return dict(sorted({**found, **schemas, **dict.fromkeys(_KEPT, "")}.items()))


def _templates(place: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for one in place.iterdir():
        if one.is_dir():
            yield from _templates(one, f"{path}{one.name}/")
        else:
            yield f"{path}{one.name}", one.read_text(encoding="utf-8")


def _site_name(folder: Path) -> str:
    """Return the folder's name as a DNS label."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.absolute().name.lower()).strip("-")
    return plain[:63].strip("-") or "default"


def _refuse_overwriting(folder: Path, contents: Mapping[str, str]) -> None:
    existing = [name for name in contents if (folder / name).exists() and not _is_kept(name)]
    if existing:
        raise usage_error(f"{folder} already has {', '.join(existing)}; nothing was written")


def _is_kept(name: str) -> bool:
    return name in _KEPT


def _write(folder: Path, contents: Mapping[str, str]) -> None:
    try:
        for name, text in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotFound(f"cannot write {str(error.filename)!r}: {error.strerror}") from error


def _say_next(folder: Path) -> None:
    sys.stdout.flush()
    say("\nNext:")
    if folder.absolute() != Path.cwd():
        say(f"  cd {shlex.quote(str(folder))}")
    say("  rollwright sandbox up")
    say("  rollwright rollout rollouts/hello")
