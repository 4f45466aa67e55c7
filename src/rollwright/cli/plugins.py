"""``rollwright plugins``: what is installed, and from where."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import write_document, write_lines, write_table
from rollwright.errors import PluginNotFound

if TYPE_CHECKING:
    from rollwright.plugins.registry import PluginInfo
    from rollwright.rollouts.describe.plans import Line


def plugins(name: str = "", /, *, output: Output = "text", common: Common = COMMON) -> None:
    """List the plugins and where they come from.

    Parameters
    ----------
    name
        Show the options of the plugins of that name, or of one: group/name.
    output
        How the list is printed.
    """
    from rollwright.rollouts.machine.documents import list_form

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

    async with opened(common) as site:
        return site.registry.listing()


def _named(found: tuple[PluginInfo, ...], name: str) -> tuple[PluginInfo, ...]:
    group, _, plain = name.rpartition("/")
    chosen = [info for info in found if info.name == plain and group in {"", info.group}]
    if not chosen:
        raise PluginNotFound("plugins", name, known={info.name for info in found})
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
    from rollwright.rollouts.describe.plans import Line, Tone

    schema = info.schema()
    lines = [Line(f"{info.group}/{info.name}  {info.where}  {_brought_by(info)}", Tone.TITLE)]
    if what := str(schema.get("description", "")).partition("\n")[0]:
        lines.append(Line(what, depth=1))
    options = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    if not options:
        lines.append(Line("no options", Tone.QUIET, 1))
    for name, form in options.items():
        lines.append(Line(_option(name, form, is_required=name in required), depth=1))
    return lines


def _option(name: str, form: Mapping[str, Any], *, is_required: bool) -> str:
    words = f"{name}: {_type(form)}"
    if is_required:
        words += ", required"
    elif "default" in form:
        words += f", default {form['default']!r}"
    description = " ".join(str(form.get("description", "")).split())
    return f"{words}  {description}".rstrip()


def _type(form: Mapping[str, Any]) -> str:
    if "enum" in form:
        return "|".join(str(one) for one in form["enum"])
    choices = form.get("anyOf") or form.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(one) for one in choices))
    if "$ref" in form:
        return str(form["$ref"]).rpartition("/")[2]
    return str(form.get("type", "any"))
