"""Prefect's command line, whose server asks no registry on the internet.

    python -m rollwright.flows.quiet_prefect server start

Before: nothing. After: a server that speaks to nobody but its database and its clients.

Pages about work pools ask the server for what packages there are, and it asks a registry on the
internet; no setting turns that off. Prefect falls back to the copy that it brings along, so the
registry's addresses are taken away.
"""

from __future__ import annotations


def main() -> None:
    """Run one command of Prefect."""
    from prefect.server.api import collections  # noqa: PLC0415  (importing this module is cheap)

    collections.KNOWN_VIEWS = dict.fromkeys(collections.KNOWN_VIEWS, "")
    from prefect.cli import app  # noqa: PLC0415  (as above)

    app()


if __name__ == "__main__":
    main()
