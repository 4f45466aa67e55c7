"""``python -m rollwright``: the same command line, without its script on PATH."""

from __future__ import annotations

import sys

from rollwright.cli import main

if __name__ == "__main__":
    sys.exit(main())
