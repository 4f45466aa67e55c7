"""Whether a step succeeded, one module per check.

Before: an action carried a step out.
After: the verdict (success, failure, undecided, with a reason) decides whether the run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping

BUILTIN: Mapping[str, str] = {}
"""Plugin name → ``module:class``; imported on use."""
