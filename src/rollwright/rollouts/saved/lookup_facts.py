"""What charts looked up when a plan was made, as a saved plan holds it (RE-15)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupFact:
    """One question and its answer.

    Attributes:
        api_version, kind, namespace, name: What was looked up; without a name all of a kind.
        answer: What was found, as JSON; empty if there was nothing, or it is sealed.
        sealed: The answer where a Secret is in it, encrypted with the installation's key.
    """

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""
    answer: str = ""
    sealed: str = ""
