"""``rollwright plugins``: what is installed, and from where."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import write_document, write_lines, write_table
from rollwright.errors import PluginNotFound

if TYPE_CHECKING:
    from rollwright.plugins.registry import PluginInfo
    from rollwright.rollouts.describe.lines import Line


def plugins(name: str = "", /, *, output: Output = "text", common: Common = COMMON) -> None:
    """List the plugins and where they come from.

    Parameters
    ----------
    name
        Show the options of the plugins of that name, or of one: group/name.
    output
        How the list is printed.
    """
    from rollwright.rollouts.machine.values import list_form

    found = asyncio.run(_listing(common))
    if name:
        found = _named(found, name)
    if output != "text":
        items = [_form(info, has_schema=bool(name)) for info in found]
        write_document(list_form("PluginList", items), output)
    elif name:
        for info in found:
            write_lines(_options_lines(info))
    else:
        rows = [(info.group, info.name, info.where, _brought_by(info)) for info in found]
        write_table(("GROUP", "NAME", "WHERE", "FROM"), rows)


async def _listing(common: Common) -> tuple[PluginInfo, ...]:
    from rollwright.cli.session import opened
    from rollwright.engine.inputs.databases import database_kinds

    async with opened(common) as site:
        return (*site.registry.listing(), *database_kinds())


def _named(found: tuple[PluginInfo, ...], name: str) -> tuple[PluginInfo, ...]:
    group, _, plain = name.rpartition("/")
    chosen = [info for info in found if info.name == plain and group in {"", info.group}]
    if not chosen:
        known = {info.name for info in found if group in {"", info.group}}
        raise PluginNotFound("plugins", name, known=known or {info.group for info in found})
    return tuple(chosen)


def _brought_by(info: PluginInfo) -> str:
    return f"{info.distribution} {info.version}".strip() or "this site"


def _form(info: PluginInfo, *, has_schema: bool) -> dict[str, Any]:
    form: dict[str, Any] = {
        "group": info.group,
        "name": info.name,
        "where": info.where,
        "distribution": info.distribution,
        "version": info.version,
    }
    return {**form, "schema": dict(info.schema())} if has_schema else form


def _options_lines(info: PluginInfo) -> list[Line]:
    from rollwright.cli.option_lines import option_lines
    from rollwright.rollouts.describe.lines import Line, Tone

    schema = info.schema()
    lines = [Line(f"{info.group}/{info.name}  {info.where}  {_brought_by(info)}", Tone.TITLE)]
    if what := str(schema.get("description", "")).partition("\n")[0]:
        lines.append(Line(what, depth=1))
    return [*lines, *option_lines(schema)]
