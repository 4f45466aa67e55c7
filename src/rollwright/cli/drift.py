"""``rollwright drift``: what in the cluster is no longer as it was rolled out."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import printable, write_document, write_lines
from rollwright.errors import RolloutError, Unreachable

if TYPE_CHECKING:
    from rollwright.engine.site import Site
    from rollwright.rollouts.drift.find import Drift

_DRIFTED = 10


def drift(
    name: str = "",
    /,
    *,
    exit_code: Annotated[bool, Parameter(name="--exit-code", negative=())] = False,
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Show what differs from the last rollout, and who did it.

    Parameters
    ----------
    name
        A rollout, or its file; without it, all rollouts of the cluster.
    exit_code
        Exit with 10 when anything differs.
    output
        How it is printed.
    """
    found = asyncio.run(_look(name, common))
    _print(found, output, is_one=bool(name))
    return _DRIFTED if exit_code and any(one.is_drifted for one in found) else 0


async def _look(name: str, common: Common) -> list[Drift]:
    from rollwright.cli.session import cluster_of, file_named, opened
    from rollwright.engine import operations

    loaded = file_named(name, common)
    async with opened(common, loaded) as site:
        if loaded is not None:
            spec = loaded.spec
            return [await operations.drift(site, spec.name, cluster=spec.target.cluster)]
        cluster = cluster_of(site, common, name)
        if name:
            return [await operations.drift(site, name, cluster=cluster)]
        return await _all(site, cluster)


async def _all(site: Site, cluster: str) -> list[Drift]:
    """Look at every rollout; one whose state is damaged does not hide the others."""
    from rollwright.engine import operations

    names = await operations.names(site, cluster=cluster)
    looks = (operations.drift(site, one, cluster=cluster) for one in names)
    found: list[Drift] = []
    for one, look in zip(names, await asyncio.gather(*looks, return_exceptions=True), strict=True):
        if isinstance(look, RolloutError) and not isinstance(look, Unreachable):
            sys.stderr.write(printable(f"Warning: {one}: {look.message}\n"))
        elif isinstance(look, BaseException):
            raise look
        else:
            found.append(look)
    return found


def _print(found: list[Drift], output: Output, *, is_one: bool) -> None:
    from rollwright.rollouts.describe.drift import describe_drift
    from rollwright.rollouts.machine.drift import drift_form
    from rollwright.rollouts.machine.values import list_form

    if output != "text":
        forms: list[Any] = [drift_form(one) for one in found]
        write_document(forms[0] if is_one else list_form("DriftList", forms), output)
        return
    for one in sorted(found, key=lambda one: (not one.is_drifted, one.rollout)):
        write_lines(describe_drift(one))
    if not found:
        sys.stdout.write("no rollouts yet\n")
