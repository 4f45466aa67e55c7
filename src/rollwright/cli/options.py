"""Options that commands share.

Before: the parser reads them. After: ``session`` opens the site they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import CycloptsError, Group, Parameter

GLOBAL = Group("Global options", sort_key=99)


@Parameter(name="*", group=GLOBAL)
@dataclass(frozen=True, kw_only=True)
class Common:
    """What every command takes."""

    site: Annotated[Path | None, Parameter(name="--site")] = None
    """Take this site.toml instead of the nearest one."""
    cluster: Annotated[str, Parameter(name="--cluster")] = ""
    """Take this cluster of site.toml instead of the document's."""
    kubeconfig: Annotated[Path | None, Parameter(name="--kubeconfig")] = None
    """Reach the cluster by this kubeconfig."""
    context: Annotated[str, Parameter(name="--context")] = ""
    """Reach the cluster by this context of the kubeconfig."""
    no_cache: Annotated[bool, Parameter(name="--no-cache", negative="")] = False
    """Render anew, whatever was kept of former renderings."""
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"])] = False
    """Tell more of what happens."""
    debug: Annotated[bool, Parameter(name="--debug")] = False
    """Show the traceback of an error."""


COMMON = Common()

Form = Literal["text", "json", "yaml"]
Output = Annotated[Form, Parameter(name=["--output", "-o"])]
"""How results are printed; text is for people."""


def usage_error(text: str) -> CycloptsError:
    """Return the error of a command line that the parser alone cannot find wrong."""
    return CycloptsError(msg=text)


def read_allowed(names: tuple[str, ...]) -> frozenset[str]:
    """Return the names of ``--allow-delete``.

    Raises:
        CycloptsError: One is not ``KIND/NAMESPACE/NAME`` or ``KIND/NAME``.
    """
    for name in names:
        parts = name.split("/")
        if len(parts) not in {2, 3} or not all(parts):
            raise usage_error(
                f"--allow-delete: expected KIND/NAMESPACE/NAME or KIND/NAME; got {name!r}"
            )
    return frozenset(names)


def read_duration(text: str, option: str) -> timedelta:
    """Return the duration of an option, such as ``10m``.

    Raises:
        CycloptsError: It is none.
    """
    from rollwright.rollouts.spec import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise usage_error(f"{option}: {error}") from error
