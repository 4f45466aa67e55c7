"""The table of commands: what each is called, what it does, where it is.

Before: ``help`` and ``app`` ask for it. After: the module of a command is imported when it runs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    ``help`` is imperative and without a period; ``where`` is imported when the command runs.
    """

    name: str
    help: str
    where: str


GROUPS: dict[str, tuple[Command, ...]] = {
    "Begin": (
        Command("init", "Scaffold a site: folders, site.toml, a first rollout", "init:init"),
        Command("sandbox", "Run a real Kubernetes control plane on this machine", "sandbox:app"),
        Command("prefect", "Run a Prefect server and a worker on this machine", "prefect:app"),
        Command("doctor", "Check access, versions, permissions, stores and locks", "doctor:doctor"),
    ),
    "Declare (no cluster needed)": (
        Command("render", "Print the objects that a rollout declares", "render:render"),
        Command("lint", "Find mistakes in rollouts and in what they render", "lint:lint"),
        Command("graph", "Draw the order of the objects", "graph:graph"),
        Command("schema", "Print the JSON Schema of a kind of document", "schema:schema"),
        Command("plugins", "List the plugins and where they come from", "plugins:plugins"),
    ),
    "Roll out": (
        Command("plan", "Show what a rollout would change, and why", "plan:plan"),
        Command("rollout", "Carry a rollout out and wait until all is healthy", "rollout:rollout"),
        Command("fan-out", "Carry one rollout out in many clusters", "fan_out:fan_out"),
        Command("rollback", "Go back to a former revision, and hold it", "rollback:rollback"),
        Command("hold", "Freeze a rollout and say why", "hold:hold"),
        Command("release", "Take the hold off a rollout", "hold:release"),
        Command("approve", "Let what waits for a person go on", "approve:approve"),
        Command("reject", "Refuse what waits for a person", "approve:reject"),
        Command("delete", "Remove a rollout with all its objects", "delete:delete"),
    ),
    "By itself": (
        Command("listen", "Start rollouts as the site's triggers say", "listen:listen"),
        Command("trigger", "Start at once what a trigger starts", "trigger:trigger"),
        Command("feedback", "Show who is told, and send again what did not arrive", "feedback:app"),
    ),
    "Look": (
        Command("status", "Show what is live, and how healthy it is", "status:status"),
        Command("history", "List the revisions of a rollout", "history:history"),
        Command("diff", "Show how two revisions differ", "diff:diff"),
        Command("drift", "Show what differs from the last rollout, and who did it", "drift:drift"),
        Command("locks", "Show who holds what, or break a lock", "locks:locks"),
        Command("state", "Show, check, move or forget what is remembered", "state:app"),
    ),
    "More": (
        Command("completion", "Print a completion script for your shell", "completion:completion"),
    ),
}
"""The commands as people look for them."""


def all_commands() -> tuple[Command, ...]:
    """Return every command, in the order of the help."""
    return tuple(command for group in GROUPS.values() for command in group)
