"""Why a genuine delivery starts nothing, in words for the log.

Before: ``choice`` found nobody who is concerned. After: a person reads what to change, and where.
"""

from __future__ import annotations

from dataclasses import replace

from rollwright.plugins.contracts import Candidate, Push
from rollwright.triggers.webhook.choice import is_wanted_event, matches
from rollwright.triggers.webhook.meaning import PING, Meaning
from rollwright.triggers.webhook.options import WebhookOptions


def why_none_counts(options: WebhookOptions, meaning: Meaning) -> str:
    """Return why nothing of what a delivery says counts, as the document asks for it."""
    if meaning.event == PING:
        return "a ping"
    if not is_wanted_event(options, meaning):
        return "this event is not looked at"
    if not meaning.pushes:
        names = options.repositories or options.refs
        return "it names no repository" if names else "nothing was pushed"
    left = [one for one in meaning.pushes if not one.is_deleted]
    if not left:
        return "the ref is gone"
    left = [one for one in left if _is_in(one.repository, options.repositories)]
    if not left:
        return "other repository"
    left = [one for one in left if _is_in(one.ref, options.refs)]
    return "other files than the trigger's paths" if left else "other ref"


def _is_in(name: str, globs: tuple[str, ...]) -> bool:
    return not globs or matches(name, globs)


def why_nobody_is_concerned(candidates: tuple[Candidate, ...], pushes: tuple[Push, ...]) -> str:
    """Return why no rollout of the trigger reads what was pushed."""
    if not candidates:
        return "the trigger is for no rollout"
    whole = [replace(one, changed=None) for one in pushes]
    if _reads_any(candidates, whole):
        return "no rollout reads what changed"
    # Without a ref a push counts as one of any, so only the repository is left to be another.
    of_any_ref = [replace(one, ref="") for one in whole]
    return "other ref" if _reads_any(candidates, of_any_ref) else "other repository"


def _reads_any(candidates: tuple[Candidate, ...], pushes: list[Push]) -> bool:
    return any(one.is_pushed(push) for one in candidates for push in pushes)
