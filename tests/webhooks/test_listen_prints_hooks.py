"""``rollwright listen`` says where deliveries are received."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys

from rollwright.plugins.hooks import hook_id


async def test_the_addresses_are_printed_and_closed_with_the_command(estate):
    (estate.folder / "site.toml").write_text('[site]\nname = "here"\n')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rollwright", "listen", "--port", "0", "--host", "127.0.0.1",
        cwd=estate.folder, env={**os.environ, "HOOK": "hook-secret", "KUBECONFIG": os.devnull},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr
    try:
        async with asyncio.timeout(120):
            line = (await process.stderr.readline()).decode()
            process.send_signal(signal.SIGTERM)
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    wanted = hook_id("hook-secret", "hook", "here")
    assert re.fullmatch(rf"trigger hook: http://127\.0\.0\.1:\d+/hooks/{wanted}\n", line)
