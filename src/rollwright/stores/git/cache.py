"""One bare repository on this machine per address: what was fetched, and what is to be pushed.

Before: ``program`` runs git. After: ``git`` reads files of a head and pushes commits on it.

One process works in a repository at a time. Its lock is held by the git programs too, so that a
process that was killed leaves nobody at work behind the next one's back; whatever temporary files
it left are removed by the next one. A copy that is damaged is thrown away and fetched again.

The last head that was seen is remembered per branch and folder. A new one that does not follow
it, and in which the folder is not the same, means that somebody has rewritten the history.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from shutil import rmtree
from uuid import uuid4

from rollwright.errors import InvalidDocument, Refused, RolloutError, Unreachable, excerpt
from rollwright.plugins.git.alone import alone
from rollwright.plugins.git.faults import explain, is_damage, is_missing_branch, remote_words
from rollwright.stores.git.commit import Commit, stream
from rollwright.stores.git.options import GitOptions
from rollwright.stores.git.program import Ended, GitProgram, make_program

_WORK = "refs/rollwright/work"
_CONDEMNED = "rollwright-damaged"
_PATIENCE = 5
"""How many requests' time a process waits for the others."""

_RACE = re.compile(
    r"\[rejected\]|fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref"
    r"|reference already exists|incorrect old value|failed to lock"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A file as it is in a commit."""

    id: str
    content: bytes


class GitCache:
    """The local copy of one repository."""

    def __init__(self, options: GitOptions) -> None:
        self._options = options
        digest = sha256(options.url.encode()).hexdigest()[:24]
        name = re.sub(r"[^A-Za-z0-9]+", "-", options.url.rpartition("/")[2])[:40]
        self.folder = options.cache / f"{name}-{digest}.git"

    @property
    def is_condemned(self) -> bool:
        """Whether the copy was found damaged; the next one to open it begins anew."""
        return (self.folder / _CONDEMNED).exists()

    @contextmanager
    def open(self) -> Iterator[GitSession]:
        """Work in the copy while inside, alone; blocks the thread.

        Raises:
            Unreachable: Another process has not left it for too long.
        """
        options = self._options
        patience = _PATIENCE * options.timeout_seconds
        with alone(self.folder.with_suffix(".lock"), patience, what="git store") as lock:
            is_new = self._is_unusable()
            if is_new:
                rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            program = make_program(options, self.folder, lock)
            if is_new:
                _make(program)
            else:
                self._sweep()
            yield GitSession(options, program)

    def _is_unusable(self) -> bool:
        parts = ("HEAD", "objects", "refs", "config")
        return self.is_condemned or not all((self.folder / part).exists() for part in parts)

    def _sweep(self) -> None:
        """Remove what a killed process left; nobody else is here."""
        rmtree(self.folder / _WORK, ignore_errors=True)
        for path in (*self.folder.glob("*.lock"), *(self.folder / "refs").rglob("*.lock")):
            path.unlink(missing_ok=True)
        (self.folder / "gc.pid").unlink(missing_ok=True)


def _make(program: GitProgram) -> None:
    made = program.run("init", "--quiet", "--bare", "--template=", "--initial-branch=none")
    if made.code:
        raise Unreachable(
            f"git store: cannot make {program.folder}: {excerpt(made.err)}",
            retryable=False,
            hint="look at the disk: free space, quota, whether it is mounted writable",
        )


class GitSession:
    """The local copy while nobody else works in it."""

    def __init__(self, options: GitOptions, program: GitProgram) -> None:
        self._options = options
        self._git = program
        digest = sha256(f"{options.branch}\0{options.path}".encode()).hexdigest()[:24]
        self._seen_ref = f"refs/rollwright/seen/{digest}"
        self._fetched_ref = f"refs/rollwright/fetched/{digest}"
        self._branch = f"refs/heads/{options.branch}"
        self._committer = options.committer

    def fetch(self) -> str:
        """Return the branch's head on the server; empty if there is no such branch yet.

        Raises:
            Unreachable: The server does not answer.
            Unauthorized: It does not know us.
            Refused: Somebody has rewritten the branch.
        """
        seen = self._head(self._seen_ref)
        if not self._download(is_first=not (seen or self._has_seen_anything())):
            if seen:
                raise self._rewritten(seen, "the branch is gone")
            return ""
        fetched = self._head(self._fetched_ref)
        if seen != fetched:
            if seen and not self._follows(seen, fetched):
                raise self._rewritten(seen, "it no longer follows what was there")
            self._local("update-ref", self._seen_ref, fetched)
        return fetched

    def since(self, head: str, base: str) -> frozenset[str]:
        """Return the commits that led to a head from a former one; from the first if it is empty."""
        if not head:
            return frozenset()
        out = self._local("rev-list", head, *((f"^{base}",) if base else ()))
        return frozenset(out.decode().split())

    def read(self, head: str, paths: Iterable[str]) -> Mapping[str, Blob]:
        """Return the files that are there.

        Raises:
            InvalidDocument: A folder stands where a file should.
        """
        names = tuple(paths)
        out = self._local("cat-file", "--batch", feed=_lines(head, names)) if head else b""
        found: dict[str, Blob] = {}
        for name in names if head else ():
            line, _, out = out.partition(b"\n")
            words = line.decode(errors="replace").rsplit(" ", 2)
            if words[-1] == "missing":
                continue
            size = int(words[-1])
            if words[-2] != "blob":
                raise InvalidDocument(
                    f"{self.where(name)}: a folder, expected a file",
                    hint="something else is kept there; choose another `path` or `branch`",
                )
            found[name] = Blob(id=words[0], content=out[:size])
            out = out[size + 1 :]
        return found

    def ids(self, head: str, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the ids of the files and folders that are there."""
        names = tuple(paths)
        if not head or not names:
            return {}
        out = self._local("cat-file", "--batch-check", feed=_lines(head, names)).decode()
        rows = zip(names, out.splitlines(), strict=True)
        return {name: row.split(" ")[0] for name, row in rows if not row.endswith(" missing")}

    def names(self, head: str, folder: str) -> tuple[str, ...]:
        """Return the names of what is in a folder; empty if there is no such folder."""
        if not head:
            return ()
        out = self._local("ls-tree", "-z", "--name-only", head, "--", f"{folder}/")
        return tuple(one.rpartition("/")[2] for one in out.decode().split("\0") if one)

    def commit(self, commit: Commit, head: str) -> str:
        """Make a commit that follows the head; return its id."""
        ref = f"{_WORK}/{uuid4().hex}"
        text = stream(
            commit, base=head, ref=ref, committer=self._committer, seconds=int(time.time())
        )
        return (
            self._local("fast-import", "--quiet", "--date-format=raw", feed=text).decode().strip()
        )

    def push(self, commit: str, *, is_rehearsal: bool = False) -> str:
        """Push a commit; return why the branch did not take it, empty if it did.

        Without force: a branch that has moved since takes nothing. That is the comparison of the
        compare-and-swap.

        Raises:
            Refused: A rule of the server forbids it, whatever the branch's head.
        """
        rehearsal = ("--dry-run",) if is_rehearsal else ()
        ended = self._git.run(
            "push", "--porcelain", "--no-verify", *rehearsal, "--", self._options.url,
            f"{commit}:{self._branch}",
        )  # fmt: skip
        if not ended.code:
            if not is_rehearsal:
                # NB: no error if that fails: the next fetch does it, and the push has landed.
                self._git.run("update-ref", self._seen_ref, commit)
            return ""
        refusal = _refusal(ended)
        if not refusal or "[remote failure]" in refusal:  # it may have landed all the same
            raise self._fault(ended)
        if not _RACE.search(refusal):
            words = remote_words(ended.err)
            why = f"{refusal}: {words}" if words else refusal
            raise Refused(
                f"{self.where()}: the server refuses the push: {excerpt(why)}",
                hint="a hook or a protected branch forbids it: let our user push to this branch",
            )
        return excerpt(refusal)

    def tidy(self) -> None:
        """Pack what has piled up, if it is much; nothing depends on it."""
        with suppress(Unreachable):
            self._git.run("gc", "--auto", "--quiet")

    def where(self, path: str = "") -> str:
        """Return what a message calls a place in the branch."""
        place = f"{self._options.url} branch {self._options.branch}"
        return f"{place} {path}" if path else place

    def _has_seen_anything(self) -> bool:
        # NB: cutting the history of a copy that others fetched would hide what came before.
        return bool(self._local("for-each-ref", "--count=1", "refs/rollwright/seen"))

    def _download(self, *, is_first: bool) -> bool:
        depth = ("--depth=1",) if is_first else ()  # of what was before us nobody asks
        ended = self._git.run(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
            *depth, "--", self._options.url, f"+{self._branch}:{self._fetched_ref}",
        )  # fmt: skip
        if ended.code and not is_missing_branch(ended.err):
            raise self._fault(ended)
        return not ended.code

    def _head(self, ref: str) -> str:
        ended = self._git.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return ended.out.decode().strip()

    def _follows(self, seen: str, fetched: str) -> bool:
        if not self._git.run("merge-base", "--is-ancestor", seen, fetched).code:
            return True
        # A history that was cut or cleaned elsewhere takes nothing from us.
        feed = f"{seen}:{self._options.path}\n{fetched}:{self._options.path}\n".encode()
        before, after = self._local("cat-file", "--batch-check", feed=feed).splitlines()
        return before == after

    def _rewritten(self, seen: str, why: str) -> Refused:
        return Refused(
            f"{self.where()}: somebody has rewritten it: {why}",
            hint=f"states may be lost: look at `git --git-dir={self._git.folder} log {seen[:12]}`"
            " and push what is missing; if it was meant, delete that folder",
        )

    def _local(self, *arguments: str, feed: bytes = b"") -> bytes:
        ended = self._git.run(*arguments, feed=feed)
        if ended.code:
            raise self._damaged(ended, f"git {arguments[0]}")
        return ended.out

    def _fault(self, ended: Ended) -> RolloutError:
        if is_damage(ended.err):
            return self._damaged(ended, "git")
        secret = "`sshKey`" if self._options.url.startswith("ssh:") else "`password`"
        return explain(ended.err, where=self.where(), secret=f"{secret} of the store")

    def _damaged(self, ended: Ended, what: str) -> Unreachable:
        (self._git.folder / _CONDEMNED).touch()
        return Unreachable(
            f"git store: {what} fails in {self._git.folder}: {excerpt(ended.err)}",
            hint="look at the disk; the folder is only a copy and is fetched again",
        )


def _lines(head: str, paths: Iterable[str]) -> bytes:
    return "".join(f"{head}:{path}\n" for path in paths).encode()


def _refusal(ended: Ended) -> str:
    lines = ended.out.decode(errors="replace").splitlines()
    return "; ".join(line.rpartition("\t")[2] for line in lines if line.startswith("!"))
