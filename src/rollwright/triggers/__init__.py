"""What starts runs, one module per kind.

Before: a Trigger, or a Rollout's ``triggers``, names one with its options.
After: the engine notes, queues and runs what it fires.
"""

from __future__ import annotations

BUILTIN = {
    "cron": "rollwright.triggers.cron:Cron",
    "git": "rollwright.triggers.git:Git",
    "interval": "rollwright.triggers.interval:Interval",
    "oneoff": "rollwright.triggers.oneoff:OneOff",
    "query": "rollwright.triggers.query:Query",
    "resource": "rollwright.triggers.resource.listener:Resource",
    "webhook": "rollwright.triggers.webhook.reader:Webhook",
}
"""Plugin name → ``module:class``; imported on use."""
