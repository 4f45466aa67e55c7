"""A change of the branch as a value, and as the stream that ``git fast-import`` reads.

Before: ``git`` decided what a save changes. After: ``cache`` makes a commit of it and pushes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_IDENTITY = re.compile(r"\s*([^<>]*?)\s*<([^<>\s]+)>\s*")
_NOISE = re.compile(r"[<>\x00-\x1f\x7f]+")
_NO_ADDRESS = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST_SUBJECT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who stands in a commit."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One change of the branch: files that are written, files that go.

    Attributes:
        subject: First line of the message.
        trailers: Last lines of the message, by name.
        author: Who asked for it.
        writes: Path → content.
        links: Path → id of an object that the branch has already.
        deletes: Files and folders that go; one that is not there is no mistake.
    """

    subject: str
    author: Person
    trailers: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    links: Mapping[str, str] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The whole message."""
        trailers = "".join(f"{name}: {one_line(value)}\n" for name, value in self.trailers.items())
        subject = one_line(self.subject)[:_LONGEST_SUBJECT].rstrip()
        return f"{subject}\n\n{trailers}" if trailers else f"{subject}\n"


def one_line(text: str) -> str:
    """Return a text without line breaks and signs that no terminal should see."""
    return " ".join(_NOISE.sub(" ", text).split())


def person_of(actor: str, default: Person) -> Person:
    """Return who an actor is: ``ann@host``, ``Ann <ann@example.org>`` or any text.

    Args:
        actor: As a trigger names it; empty for nobody.
        default: Stands for nobody; the host of its address stands where an actor names none.
    """
    whole = _IDENTITY.fullmatch(actor)
    name, address = (whole[1], whole[2]) if whole else (actor, actor)
    name = one_line(name)
    if not name:
        return default
    local, at, host = one_line(address).rpartition("@")
    if not at:
        local, host = host, ""
    host = _NO_ADDRESS.sub("-", host) or default.address.rpartition("@")[2]
    address = f"{_NO_ADDRESS.sub('-', local).strip('-') or 'unknown'}@{host}"
    short = name if whole else (name.rpartition("@")[0] or name)
    return Person(name=short.encode(errors="replace").decode(), address=address)


def parse_person(text: str) -> Person:
    """Return the person that a text names, which the options have checked."""
    name, _, address = text.removesuffix(">").rpartition(" <")
    return Person(name=name.strip(), address=address)


def stream(commit: Commit, *, base: str, ref: str, committer: Person, seconds: int) -> bytes:
    """Return what ``git fast-import`` makes the commit of.

    Args:
        commit: The change.
        base: Commit that it follows; empty for the first of a branch.
        ref: Local ref that is set to it.
        committer: Who carries it out.
        seconds: Now, since 1970.
    """
    return b"".join(_parts(commit, base, ref, (committer, seconds)))


def _parts(commit: Commit, base: str, ref: str, by: tuple[Person, int]) -> Iterator[bytes]:
    committer, seconds = by
    yield b"feature done\n"
    yield f"commit {ref}\nmark :1\n".encode()
    yield f"author {commit.author} {seconds} +0000\n".encode()
    yield f"committer {committer} {seconds} +0000\n".encode()
    yield from _data(commit.message.encode())
    if base:
        yield f"from {base}\n".encode()
    for path in commit.deletes:
        yield f"D {path}\n".encode()
    for path, content in commit.writes.items():
        yield f"M 100644 inline {path}\n".encode()
        yield from _data(content)
    for path, blob in commit.links.items():
        yield f"M 100644 {blob} {path}\n".encode()
    yield b"get-mark :1\ndone\n"


def _data(content: bytes) -> Iterator[bytes]:
    yield b"data %d\n" % len(content)
    yield content
    yield b"\n"
