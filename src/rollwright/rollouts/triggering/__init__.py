"""What triggers decide without asking anybody: keys of instances, and conditions of subjects.

Before: a watch, or a run, told what happened. After: a key, or a status, as values.
"""

from __future__ import annotations
