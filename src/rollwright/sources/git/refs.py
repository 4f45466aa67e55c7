"""From a name and what a server lists to one commit. Pure.

Before: ``git ls-remote`` said what is there. After: ``cache`` fetches the commit.

Names are full inside: a branch and a tag of one name are different things (TR-05).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollwright.errors import RenderError, excerpt

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
HEAD = "HEAD"

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REVISION = re.compile(
    r"(?:(?P<label>[^@]*)@)?(?:(?P<algorithm>sha1|sha256):)?(?P<commit>[0-9a-f]+)"
)
_PEELED = "^{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a server has.

    Attributes:
        refs: Full name to id; of an annotated tag also ``name^{}`` to its commit.
        head: The branch that ``HEAD`` stands for, in full; empty if the server does not say.
    """

    refs: Mapping[str, str] = field(default_factory=dict)
    head: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A name that was found.

    Attributes:
        label: What a revision calls it.
        name: Full name of the branch or tag; empty for a commit that was named itself.
        tip: What the name holds: a commit, or an annotated tag of one.
        commit: The commit.
    """

    label: str
    name: str
    tip: str
    commit: str

    @property
    def revision(self) -> str:
        """The commit as a revision, such as ``main@sha1:4f3c…``."""
        digest = f"{algorithm_of(self.commit)}:{self.commit}"
        return f"{self.label}@{digest}" if self.label else digest


def is_commit(text: str) -> bool:
    """Whether a text is the whole id of a commit."""
    return bool(_COMMIT.fullmatch(text))


def algorithm_of(commit: str) -> str:
    """Return what made an id."""
    return "sha256" if len(commit) == 64 else "sha1"


def read_listing(out: bytes) -> Listing:
    """Read what ``git ls-remote --symref`` prints."""
    refs, head = {}, ""
    for line in out.decode("utf-8", "replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            head = value.removeprefix("ref: ") if name == HEAD else head
        elif is_commit(value):
            refs[name] = value
    return Listing(refs=refs, head=head)


def patterns_of(ref: str) -> tuple[str, ...]:
    """Return the full names that a name may mean; the server is asked for them only."""
    if not ref:
        return (HEAD,)
    names = (ref,) if is_full(ref) else (f"{BRANCHES}{ref}", f"{TAGS}{ref}")
    return tuple(one for name in names for one in (name, f"{name}{_PEELED}"))


def is_full(ref: str) -> bool:
    """Whether a name says itself whether it is a branch or a tag."""
    return ref.startswith((BRANCHES, TAGS))


def choose(listing: Listing, ref: str, where: str) -> Found:
    """Return what a name means on the server.

    Args:
        listing: What the server has.
        ref: Name of a branch or tag; empty for the server's ``HEAD``.
        where: What a message calls the repository.

    Raises:
        RenderError: There is no such name, or a branch and a tag have it.
    """
    if not ref:
        return _of_head(listing, where)
    names = [name for name in patterns_of(ref) if name in listing.refs]
    found = [name for name in names if not name.endswith(_PEELED)]
    if len(found) > 1:
        raise RenderError(
            f"{where}: {ref!r} is a branch and a tag: {' and '.join(found)}",
            hint=f"write `ref: {found[0]}`, or `ref: {found[1]}`",
        )
    if not found:
        raise RenderError(f"{where}: no branch or tag {excerpt(ref)!r}", hint=_hint(ref))
    return _found(listing, ref, found[0])


def _of_head(listing: Listing, where: str) -> Found:
    if HEAD not in listing.refs:
        raise RenderError(
            f"{where}: the repository has no default branch, or is empty",
            hint="name a branch or tag as `ref`",
        )
    tip = listing.refs[HEAD]
    label = listing.head.removeprefix(BRANCHES) or HEAD
    return Found(label=label, name=listing.head or HEAD, tip=tip, commit=tip)


def _found(listing: Listing, label: str, name: str) -> Found:
    tip = listing.refs[name]
    return Found(label=label, name=name, tip=tip, commit=listing.refs.get(f"{name}{_PEELED}", tip))


def _hint(ref: str) -> str:
    if re.fullmatch(r"[0-9a-f]{4,39}", ref):
        return "a commit is named by all of its 40 digits: a short id may mean another one later"
    return "names are told apart by case; look at `git ls-remote`"


def wanted_commit(revision: str, label: str, where: str) -> str:
    """Return the commit that a revision names; empty if there is no revision.

    Args:
        revision: Such as ``main@sha1:4f3c…``, or the id alone.
        label: What our own revisions call the source's ref.
        where: What a message calls the repository.

    Raises:
        RenderError: It is no revision of this source.
    """
    if not revision:
        return ""
    read = _REVISION.fullmatch(revision)
    if not read or not is_commit(read["commit"]):
        raise RenderError(
            f"{where}: no revision of a git source: {excerpt(revision, 80)!r}",
            hint="write it as `rollwright history` shows it, such as main@sha1:…",
        )
    if read["algorithm"] not in {None, algorithm_of(read["commit"])}:
        raise RenderError(
            f"{where}: {excerpt(revision, 80)!r} does not have the digits of its kind"
        )
    if read["label"] not in {None, "", label}:
        raise RenderError(
            f"{where}: revision {excerpt(revision, 80)!r} is not of {label or 'this commit'!r}",
            hint="the document names another ref now: name the commit alone, or correct `ref`",
        )
    return read["commit"]
