"""The demo: what Rollwright does, on a real control plane on this machine.

Runs the command line as a person would, on a copy of ``rollouts/shop``, and cleans up after
itself. ``--keep`` leaves the sandbox running; ``--no-pause`` does not wait for anybody at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("rollwright")
SANDBOX = "demo"


class Demo:
    """One showing, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifests = folder / "rollouts" / "shop" / "manifests"
        self.environment = {
            **os.environ,
            # The demo's sandbox has a name of its own: nobody's else is touched.
            "ROLLWRIGHT_CLUSTERS__SANDBOX__SANDBOX": SANDBOX,
        }
        shutil.copytree(ROOT / "rollouts" / "shop", folder / "rollouts" / "shop")
        (folder / "deployments").mkdir()
        shutil.copy(ROOT / "deployments" / "site.toml", folder / "deployments")

    def run(self, *arguments: str, expect: int = 0) -> None:
        """Run one command of rollwright, shown as it would be typed."""
        print(f"\n\033[1m$ rollwright {' '.join(arguments)}\033[0m", flush=True)
        done = subprocess.run(  # noqa: S603  (our own command line, no shell)
            [COMMAND, *arguments], cwd=self.folder, env=self.environment, check=False
        )
        if done.returncode != expect:
            message = f"demo: rollwright {arguments[0]} ended with {done.returncode}, not {expect}"
            raise SystemExit(message)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a manifest as a person would in an editor."""
        path = self.manifests / file
        text = path.read_text()
        if old not in text:
            raise SystemExit(f"demo: {path} does not hold {old!r}")
        path.write_text(text.replace(old, new, 1))


def say(text: str) -> None:
    """Tell what comes next."""
    print(f"\n\033[36m# {text}\033[0m", flush=True)


def show(demo: Demo) -> None:
    """Show a rollout, a change, a failure, and the way back."""
    say("A small shop goes into an empty cluster: migration first, then everything else.")
    demo.run("rollout", "rollouts/shop", "--yes")
    demo.run("status", "shop", "--cluster", "sandbox")

    say("The image of the web front changes. The plan says exactly what that means.")
    demo.edit("web.yaml", "shop/web:1.8", "shop/web:1.9")
    demo.run("plan", "rollouts/shop")
    demo.run("rollout", "rollouts/shop", "--yes")

    say("Nothing changed since: no dry run, no write.")
    demo.run("rollout", "rollouts/shop", "--yes")

    say("Now an image that nobody can pull. The run fails, and says why.")
    demo.edit(
        "web.yaml",
        "metadata: {labels: {app.kubernetes.io/name: web}}",
        "metadata: {labels: {app.kubernetes.io/name: web,"
        " sandbox.rollwright.dev/behavior: image-pull-error}}",
    )
    demo.edit("web.yaml", "shop/web:1.9", "shop/web:9.9")
    patience = demo.manifests.parent / "rollout.yaml"
    text = patience.read_text()
    patience.write_text(text.replace("{timeout: 2m}", "{timeout: 8s}"))
    demo.run("rollout", "rollouts/shop", "--yes", expect=1)
    demo.run("status", "shop", "--cluster", "sandbox")

    say("Back to the image that works.")
    patience.write_text(text)
    demo.edit("web.yaml", ", sandbox.rollwright.dev/behavior: image-pull-error", "")
    demo.edit("web.yaml", "shop/web:9.9", "shop/web:1.9")
    demo.run("rollout", "rollouts/shop", "--yes")


def show_flow(demo: Demo) -> str:
    """Run the same rollout as a Prefect flow against a local server; return its page there."""
    from rollwright.flows import reporting_to, rollout, start_local_server  # noqa: PLC0415

    say("The same rollout once more, as a Prefect flow (a local server starts first).")
    demo.edit("settings.yaml", "CURRENCY: EUR", "CURRENCY: CHF")
    os.environ.update(
        ROLLWRIGHT_CLUSTERS__SANDBOX__SANDBOX=SANDBOX,
        DO_NOT_TRACK="1",
        PREFECT_LOGGING_LEVEL="INFO",
    )
    server = start_local_server()
    with reporting_to(server.url):
        state = asyncio.run(rollout(str(demo.manifests.parent), return_state=True))
    page = f"{server.ui_url}/runs/flow-run/{state.state_details.flow_run_id}"
    print(f"\nthe run ended as {state.name}: {state.message}")
    print(f"Its page, while the demo runs: {page}")
    return page


@contextmanager
def sandbox(demo: Demo, *, keep: bool) -> Iterator[None]:
    """Bring the demo's sandbox up, and down again whatever happens."""
    demo.run("sandbox", "up", "--name", SANDBOX)
    try:
        yield
    finally:
        if keep:
            say(f"The sandbox keeps running: rollwright sandbox down --name {SANDBOX}")
        else:
            demo.run("sandbox", "down", "--name", SANDBOX)


def wait_for_person(address: str) -> None:
    """Let a person look at the pages; nobody is waited for where nobody sits."""
    if os.environ.get("CI") or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    print(f"\nLook around at {address}: the stages as tasks, plan, diff and report as artifacts.")
    # Ctrl-C or the end of the input is an answer, too.
    with suppress(KeyboardInterrupt, EOFError):
        input("Enter ends the demo and cleans up. ")


NEXT = """
Try next:
  source .venv/bin/activate
  rollwright sandbox up                          # your own control plane, until `sandbox down`
  export KUBECONFIG=$(rollwright sandbox kubeconfig)
  rollwright init my-site && cd my-site          # a site with a first rollout
  rollwright rollout rollouts/hello
  rollwright status hello --cluster sandbox
  rollwright graph rollouts/hello
  rollwright prefect up                          # Prefect's pages, with the flows of the site
  rollwright doctor
"""


def main() -> None:
    """Show everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the sandbox running")
    parser.add_argument("--no-pause", action="store_true", help="wait for nobody at the end")
    options = parser.parse_args()
    say("A real control plane comes up on this machine; the first time it is built (minutes).")
    with tempfile.TemporaryDirectory(prefix="rollwright-demo-") as folder:
        demo = Demo(Path(folder))
        with sandbox(demo, keep=options.keep):
            show(demo)
            address = show_flow(demo)
            if not options.no_pause:
                wait_for_person(address)
    print(NEXT)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
