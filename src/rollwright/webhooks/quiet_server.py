"""An HTTP server inside a process that has other work: it takes no signals and writes no log.

Before: ``server`` and ``probes`` have an application and a socket. After: uvicorn answers there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rollwright.errors import RolloutError

if TYPE_CHECKING:
    import uvicorn

_LOOK_SECONDS = 0.01


def quiet_config(app: Any, **more: Any) -> uvicorn.Config:
    """Return the configuration of a server of ours, loaded.

    Args:
        app: What answers.
        more: Settings of uvicorn beside those that all of ours share.
    """
    import uvicorn  # noqa: PLC0415  (only who is asked by HTTP needs a server)

    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        **more,
    )
    config.load()
    return config


def quiet_server() -> type[uvicorn.Server]:
    """Return uvicorn's server without its handlers of signals."""
    import uvicorn  # noqa: PLC0415  (as above)

    class QuietServer(uvicorn.Server):
        """Leaves signals to the command, which stops the runs as well."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return QuietServer


async def until_started(server: uvicorn.Server, serving: asyncio.Task[None], *, what: str) -> None:
    """Wait until a server answers.

    Args:
        server: The server.
        serving: Its task.
        what: What it is, for the error: ``the receiver of deliveries``.

    Raises:
        RolloutError: It ended instead.
    """
    while not server.started and not serving.done():  # noqa: ASYNC110  (it tells nobody)
        await asyncio.sleep(_LOOK_SECONDS)
    if serving.done():
        with contextlib.suppress(SystemExit):
            await serving
        raise RolloutError(f"{what} did not start")
