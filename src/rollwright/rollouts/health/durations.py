"""Durations as Kubernetes and Go write them: ``90s``, ``1h30m``, ``250ms``."""

from __future__ import annotations

import re
from datetime import timedelta

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: It is none.
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise ValueError(f"no duration: {text!r}; expected such as '90s', '5m' or '1h30m'")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
