"""One run of ``helm template``: alone, or with somebody who answers its lookups (RE-15)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from rollwright.errors import RenderError
from rollwright.plugins.contracts import Kubernetes, Lookups
from rollwright.renderers import child
from rollwright.renderers.helm.answering import answering
from rollwright.renderers.helm.looking import as_printed
from rollwright.renderers.helm.messages import Cleaner, with_hint

_ANSWERED = ("--dry-run=server", "--disable-openapi-validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        command: The program and the first word of what it does.
        words: Everything else of it.
        folder: A folder of our own, for what is written on the way.
        timeout: How long it may take.
        clean: Takes out of complaints what nobody may read.
    """

    command: tuple[str, ...]
    words: tuple[str, ...]
    folder: Path
    timeout: timedelta
    clean: Cleaner = field(repr=False)

    async def alone(self) -> bytes:
        """Return what helm prints; ``lookup`` finds nothing.

        Raises:
            RenderError: helm fails.
        """
        return await self._started((*self.command, *self.words), {})

    async def answered(self, lookups: Lookups, kubernetes: Kubernetes) -> bytes:
        """Return what helm would print if ``lookup`` found what others answer.

        Raises:
            RenderError: helm fails.
            RolloutError: The target refuses to tell.
        """
        config, output = self.folder / "kubeconfig", self.folder / "output"
        async with answering(lookups, kubernetes) as answers:
            await asyncio.to_thread(_write_private, config, answers.kubeconfig())
            options = (*_ANSWERED, f"--output-dir={output}")
            environment = {"KUBECONFIG": str(config)}
            try:
                command = (*self.command, *options, *self.words)
                printed = await self._started(command, environment)
            except RenderError as error:
                raise (answers.failure or error) from error
        return await asyncio.to_thread(as_printed, printed, output)

    async def _started(self, command: tuple[str, ...], environment: Mapping[str, str]) -> bytes:
        try:
            return await child.run(
                child.Child(
                    name="helm template",
                    command=command,
                    timeout=self.timeout,
                    root=self.folder,
                    environment=environment,
                    clean=self.clean,
                )
            )
        except RenderError as error:
            raise with_hint(error) from error


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
