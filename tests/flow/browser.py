"""A headless Chromium that is driven over its DevTools protocol; it reaches this machine only."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

TIMEOUT_SECONDS = 60
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--metrics-recording-only", "--window-size=1280,1600",
    "--remote-debugging-port=0", "--remote-debugging-address=127.0.0.1",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def find_browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One page of the browser."""

    def __init__(self, socket) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def send(self, method, **parameters):
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def run(self, script):
        """Run a script in the page and return its value."""
        found = await self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script):
        """Run a script until its value is true, and return that."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not (value := await self.run(script)):
                await asyncio.sleep(0.2)
        return value

    async def open(self, url):
        await self.send("Page.navigate", url=url)

    async def press(self, text):
        """Press the last button on the page whose text is this one."""
        await self.until(
            "(() => { const found = [...document.querySelectorAll('button')]"
            f".filter(one => one.innerText.trim() === {json.dumps(text)} && !one.disabled);"
            " if (found.length) found.at(-1).click(); return found.length })()"
        )

    async def write(self, label, text):
        """Go to the field under a label, and type."""
        await self.until(_labelled(label, "textarea, input", "field.focus()"))
        await self.send("Input.insertText", text=text)

    async def switch(self, label):
        """Turn the switch under a label."""
        await self.until(_labelled(label, "[role=switch]", "field.click()"))

    async def picture(self, path: Path):
        """Save what a person sees."""
        found = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))


def _labelled(label, kind, what):
    """Return a script that does something with the field under a label, once it is there."""
    return f"""(() => {{
        const labels = [...document.querySelectorAll('.p-label__label')];
        const found = labels.find(one => one.innerText.trim().startsWith({json.dumps(label)}));
        const field = found?.closest('.p-label')?.querySelector({json.dumps(kind)});
        if (!field) return false;
        field.scrollIntoView({{block: 'center'}}); {what};
        return true;
    }})()"""


@asynccontextmanager
async def browsing(folder: Path):
    """A browser with one page; its processes end with it."""
    home = folder / "chromium"
    home.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [find_browser() or "chromium", *FLAGS, f"--user-data-dir={home}", "about:blank"],
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        address = await _address(home / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{address}/json/new?about:blank") as answer:
                url = (await answer.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(url, max_msg_size=0) as socket:
                page = Page(socket)
                await page.send("Page.enable")
                yield page
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # its own session, so its own group
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def _address(file: Path, process) -> str:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not (file.exists() and file.read_text().strip()):
            assert process.poll() is None, "the browser ended"
            await asyncio.sleep(0.05)
    return f"http://127.0.0.1:{file.read_text().split()[0]}"
