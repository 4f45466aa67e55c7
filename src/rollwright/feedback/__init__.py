"""Where the outcome of a run is told, one module per sink.

Before: ``report`` concluded a run, and its lock is free again.
After: somebody knows. A sink that fails never fails a run.
"""

from __future__ import annotations

from collections.abc import Mapping

BUILTIN: Mapping[str, str] = {
    "apprise": "rollwright.feedback.apprise:Apprise",
    "azure": "rollwright.feedback.azure:Azure",
    "bitbucket": "rollwright.feedback.bitbucket:Bitbucket",
    "events": "rollwright.feedback.events:Events",
    "gitea": "rollwright.feedback.gitea:Gitea",
    "github": "rollwright.feedback.github:GitHub",
    "gitlab": "rollwright.feedback.gitlab:GitLab",
    "webhook": "rollwright.feedback.webhook:Webhook",
}
"""Plugin name → ``module:class``; imported on use."""
