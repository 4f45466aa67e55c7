"""``rollwright completion``: what the Tab key knows."""

from __future__ import annotations

import sys
from typing import Literal

from rollwright.cli.options import COMMON, Common


def completion(shell: Literal["bash", "zsh", "fish"], /, *, common: Common = COMMON) -> None:
    """Print a completion script for your shell.

    For bash: source <(rollwright completion bash)

    Parameters
    ----------
    shell
        Whose script to print.
    """
    del common
    from rollwright.cli.app import make_app

    sys.stdout.write(make_app().generate_completion(prog_name="rollwright", shell=shell))
