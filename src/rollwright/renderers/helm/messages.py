"""What helm says, as one sentence: where it went wrong first, without values that are secret.

Before: helm failed, and complains over several lines of Go's words.
After: ``child`` cuts it to what a message may hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollwright.errors import RenderError
from rollwright.renderers import child

_NOISE = re.compile(
    r"^(level=\S+ .*|time=\S+ .*|WARNING: .*|[a-z_]+\.go:\d+: .*"
    r"|Hang tight while we grab .*|\.\.\.Unable to get an update from .*"
    r"|Use --debug flag to render out invalid YAML)$|^Error: ",
    re.MULTILINE,
)
_AT = re.compile(r"^execution error at \(([^)]+)\): ")
_STEPS = re.compile(r"template: (\S+?:\d+:\d+): executing \"[^\"]*\" at ")
_QUOTED = re.compile(r"(!!\w+) `[^`]*`")
_NO_MEMORY = re.compile(
    r"fatal error: .*(out of memory|cannot allocate|memory)|makeslice: len out of range"
)
_LONGEST_STEP = 200

MISSING = "missing in charts/ directory"

_HINTS: Mapping[str, str] = {
    MISSING: "run `helm dependency build` and put the folder charts/ into the source, or set"
    " dependencies: update",
    "values don't meet the specifications": "correct config, values or valuesFiles",
    "chart requires kubeVersion": "set kubeVersion, or use a chart for this version",
    "library charts are not installable": "name a chart that depends on it",
}


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Cleans what one run of helm says.

    Attributes:
        hidden: Texts that nobody may read.
        names: What to call paths that the user does not know.
    """

    hidden: tuple[str, ...] = ()
    names: Mapping[str, str] | None = None

    def __call__(self, text: str, root: Path) -> str:
        """Return the complaint; ``root`` is taken out by whoever asked."""
        del root
        if _NO_MEMORY.search(text):
            return f"it needs more than {child.MAX_MEMORY // 2**30} GiB of memory"
        text = _NOISE.sub("", text).strip()
        for path, name in (self.names or {}).items():
            text = text.replace(path, name)
        for value in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(value, "***")
        return explained(_QUOTED.sub(r"\1 ***", text))


def explained(text: str) -> str:
    """Put the place of a failure first, ``file:line:column: what``, and its ways there after."""
    if found := _AT.match(text):
        return f"{found[1]}: {text[found.end() :]}"
    steps = list(_STEPS.finditer(text))
    if not steps:
        return text
    last = steps[-1]
    what = text[last.end() :]
    way = "" if len(steps) == 1 else f" (from {steps[0][1]})"
    return f"{last[1]}: {what if len(what) < _LONGEST_STEP else what[:_LONGEST_STEP]}{way}"


def with_hint(error: RenderError) -> RenderError:
    """Return the error with what to do about it, where that is known."""
    for words, hint in _HINTS.items():
        if words in error.message and not error.hint:
            return RenderError(error.message, hint=hint)
    return error
