"""The first page of help, printed from the table alone.

The parser costs 0.1 s to import; the list of commands needs none of it.
"""

from __future__ import annotations

from rollwright.cli.commands import GROUPS, all_commands

_EPILOGUE = """\
Global options (before or after the command):
  --site FILE         Take this site.toml instead of the nearest one
  --cluster NAME      Take this cluster of site.toml instead of the document's
  --kubeconfig FILE   Reach the cluster by this kubeconfig
  --context NAME      Reach the cluster by this context of the kubeconfig
  -o, --output FORM   Print json or yaml for programs
  -v, --verbose       Tell more of what happens
  --debug             Show the traceback of an error
  --version           Print the version
  -h, --help          Print this help; after a command, its own

Exit codes: 0 done, 1 failed, 2 usage or document, 3 unreachable, 4 refused,
10 changes (plan --exit-code).
"""


def overview() -> str:
    """Return the list of commands for people."""
    width = max(len(command.name) for command in all_commands())
    lines = [
        "Usage: rollwright COMMAND [OPTIONS]",
        "",
        "Bring declared Kubernetes state to clusters: planned, ordered, watched until healthy.",
    ]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {command.name:{width}}  {command.help}" for command in commands]
    return "\n".join([*lines, "", _EPILOGUE])
