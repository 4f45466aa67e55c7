"""What starts runs by itself: triggers are listened to, queued, and become runs.

Before: ``rollwright listen`` read the site's rollouts and triggers.
After: each firing became one run of one rollout, or none because a newer one came.

``queue`` decides whose turn it is; it knows no clock, no cluster and no plugin.
"""

from __future__ import annotations
