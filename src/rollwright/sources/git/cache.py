"""One bare repository on this machine per address, and the files of the commits that were used.

Before: ``refs`` chose a commit. After: renderers read its files.

What is fetched is shallow and without contents first; then the contents of one commit, all at
once. Limits are looked at before a file is written. One process works in a copy at a time; a copy
that is damaged is thrown away and fetched again. Beside it stands a copy of commits alone, for
the question whether one commit led to another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import TypeVar

from rollwright.errors import RenderError, RolloutError, Unreachable, excerpt
from rollwright.plugins.git.alone import alone
from rollwright.plugins.git.faults import explain, is_damage
from rollwright.plugins.git.program import MOST_OUTPUT, Ended, GitProgram, Login, git_program
from rollwright.sources.git.refs import BRANCHES, TAGS, Found, Listing, algorithm_of, read_listing
from rollwright.sources.git.trees import Trees

MAX_FILES = 50_000

_PATIENCE = 5
"""How many requests' time a process waits for the others."""
_ROOM = 4
"""How many times the size of a commit's files all that is fetched for it may have."""

_TOO_LARGE = re.compile(r"died of signal 25|File too large|signal 25")
_FETCH = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")

T = TypeVar("T")


class _DamagedError(Exception):
    """The copy cannot be read."""


class GitCache:
    """The copies of one repository."""

    def __init__(self, folder: Path, login: Login, *, depth: int = 1, max_bytes: int) -> None:
        digest = sha256(login.url.encode()).hexdigest()[:24]
        name = re.sub(r"[^A-Za-z0-9]+", "-", login.url.rpartition("/")[2])[:40]
        self._base = folder.expanduser().absolute() / f"{name}-{digest}"
        self._login = login
        self._depth = depth
        self._max_bytes = max_bytes
        self.trees = Trees(self._base / "trees")

    def listing(self, *patterns: str) -> Listing:
        """Return what the server has of the names; one request, nothing is fetched.

        Raises:
            Unreachable: The server does not answer.
            Unauthorized: It does not know us.
        """
        self._base.mkdir(mode=0o700, parents=True, exist_ok=True)
        git = git_program(self._login, self._base, limit_bytes=MOST_OUTPUT)
        ended = git.run("ls-remote", "--symref", "--quiet", "--", self._login.url, *patterns)
        if ended.code:
            raise self._fault(ended)
        return read_listing(ended.out)

    def tree(self, found: Found, check: Callable[[GitProgram, str], None]) -> Path:
        """Return the folder of a commit; fetched if it is not kept.

        Args:
            found: The commit, and what holds it on the server.
            check: Asked about the commit before its files are written.

        Raises:
            RenderError: The server has no such commit, or it is too large.
            Unreachable: The server does not answer.
        """
        return self.trees.find(found.commit) or self._patiently(
            "git", found.commit, lambda git: self._fetched(git, found, check)
        )

    def led_to(self, commit: str, found: Found) -> bool:
        """Whether a branch or tag came from a commit; one that is known is not asked for again."""
        refspec = f"+{found.name}:{found.name}"

        def look(git: GitProgram) -> bool:
            if self._is_ancestor(git, commit, found.name):
                return True
            self._fetch(git, "--filter=tree:0", "origin", refspec)
            return self._is_ancestor(git, commit, found.name)

        return commit == found.commit or self._patiently("history", commit, look)

    def changed(self, old: str, new: str) -> tuple[str, ...]:
        """Return the names of the files in which two commits differ; no contents are fetched.

        Raises:
            RenderError: The server has one of them no more.
            Unreachable: The server does not answer.
        """

        def look(git: GitProgram) -> tuple[str, ...]:
            for commit in (old, new):
                ref = f"refs/rollwright/{commit}"
                if not self._local(git, "for-each-ref", ref).strip():
                    self._fetch(
                        git, "--depth=1", "--filter=blob:none", "origin", f"+{commit}:{ref}"
                    )
            words = ("-r", "-z", "--name-only", "--no-renames", "--no-commit-id", old, new)
            names = self._local(git, "diff-tree", *words).split(b"\0")
            return tuple(name.decode("utf-8", "surrogateescape") for name in names if name)

        return self._patiently("git", new, look)

    def is_anywhere(self, commit: str) -> bool:
        """Whether some branch or tag of the server came from a commit."""
        refspecs = tuple(f"+{names}*:{names}*" for names in (BRANCHES, TAGS))

        def look(git: GitProgram) -> bool:
            self._fetch(git, "--filter=tree:0", "--prune", "origin", *refspecs)
            ended = git.run("for-each-ref", "--count=1", f"--contains={commit}")
            return not ended.code and bool(ended.out.strip())

        return self._patiently("history", commit, look)

    def _fetched(
        self, git: GitProgram, found: Found, check: Callable[[GitProgram, str], None]
    ) -> Path:
        if kept := self.trees.find(found.commit):  # by another process, meanwhile
            return kept
        self.trees.sweep()
        depth = (f"--depth={self._depth}",) if self._depth else ()
        ref = f"refs/rollwright/{found.commit}"
        self._fetch(git, *depth, "--filter=blob:none", "origin", f"+{found.tip}:{ref}")
        holds = self._local(git, "rev-parse", "--verify", f"{ref}^{{commit}}").decode().strip()
        if holds != found.commit:
            raise RenderError(f"{self._where}: {found.label or found.commit} is no commit")
        check(git, ref)
        self._fetch_contents(git, found.commit)
        self._check_size(git, found.commit)
        place = self._written(git, found.commit)
        self.trees.tidy(found.commit)
        git.run("gc", "--auto", "--quiet")
        return place

    def _fetch_contents(self, git: GitProgram, commit: str) -> None:
        """Fetch the contents that are missing, in one request."""
        out = self._local(git, "rev-list", "--objects", "--missing=print", "-1", commit)
        lines = out.decode("utf-8", "surrogateescape").splitlines()
        if len(lines) > 2 * MAX_FILES:
            raise self._too_many()
        missing = [line[1:] for line in lines if line.startswith("?")]
        if missing:
            feed = "".join(f"{one}\n" for one in missing).encode()
            self._fetch(git, "--filter=blob:none", "--stdin", "origin", feed=feed)

    def _check_size(self, git: GitProgram, commit: str) -> None:
        out = self._local(git, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        rows = [row.partition(b"\t")[0].split() for row in out.split(b"\0") if row]
        if len(rows) > MAX_FILES:
            raise self._too_many()
        # A submodule has no size, and is not fetched.
        if sum(int(row[3]) for row in rows if row[3].isdigit()) > self._max_bytes:
            raise self._too_large()

    def _written(self, git: GitProgram, commit: str) -> Path:
        place = self.trees.begin()
        index = place.with_suffix(".index")
        try:
            more = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(place)}
            ended = git.run("read-tree", "-m", "-u", commit, more=more)
            if ended.code:
                raise self._fault(ended)
            return self.trees.keep(place, commit)
        finally:
            index.unlink(missing_ok=True)
            rmtree(place, ignore_errors=True)

    def _fetch(self, git: GitProgram, *arguments: str, feed: bytes = b"") -> None:
        # Who says that it has a commit is not sent the contents that it lacks of it.
        silent = ("-c", "fetch.negotiationAlgorithm=noop") if feed else ()
        ended = git.run(*silent, "fetch", *_FETCH, *arguments, feed=feed)
        if ended.code:
            raise self._fault(ended)

    def _is_ancestor(self, git: GitProgram, commit: str, name: str) -> bool:
        return not git.run("merge-base", "--is-ancestor", commit, name).code

    def _local(self, git: GitProgram, *arguments: str) -> bytes:
        ended = git.run(*arguments)
        if ended.code:
            raise self._fault(ended)
        return ended.out

    def _patiently(self, name: str, commit: str, work: Callable[[GitProgram], T]) -> T:
        """Work in a copy; on a fresh one, if it turns out to be damaged."""
        copy = self._base / f"{name}-{algorithm_of(commit)}.git"
        with self._alone(copy) as lock:
            try:
                return work(self._opened(copy, commit, lock))
            except _DamagedError:
                rmtree(copy, ignore_errors=True)
            try:
                return work(self._opened(copy, commit, lock))
            except _DamagedError as error:
                raise Unreachable(
                    f"{self._where}: git fails in {copy}: {error}",
                    retryable=False,
                    hint="look at the disk; the folder is only a copy and is fetched again",
                ) from error

    @contextmanager
    def _alone(self, copy: Path) -> Iterator[int]:
        patience = _PATIENCE * self._login.timeout_seconds
        with alone(copy.with_suffix(".lock"), patience, what="git source") as lock:
            yield lock

    def _opened(self, copy: Path, commit: str, lock: int) -> GitProgram:
        room = _ROOM * self._max_bytes + 2**20
        is_new = not all((copy / part).exists() for part in ("HEAD", "objects", "refs", "config"))
        if is_new:
            rmtree(copy, ignore_errors=True)
        copy.mkdir(mode=0o700, parents=True, exist_ok=True)
        git = git_program(self._login, copy, kept_open=(lock,), limit_bytes=room)
        if not is_new:
            _sweep(copy)
            return git
        kind = f"--object-format={algorithm_of(commit)}"
        made = git.run("init", "--quiet", "--bare", "--template=", "--initial-branch=none", kind)
        if made.code:
            raise Unreachable(
                f"git source: cannot make {copy}: {excerpt(made.err)}",
                retryable=False,
                hint="look at the disk: free space, quota, whether it is mounted writable",
            )
        return git

    def _fault(self, ended: Ended) -> RolloutError | _DamagedError:
        if _TOO_LARGE.search(ended.err):
            return self._too_large()
        if is_damage(ended.err):
            return _DamagedError(excerpt(ended.err))
        if "not our ref" in ended.err or "unadvertised object" in ended.err:
            return RenderError(
                f"{self._where}: the server does not give the commit: {excerpt(ended.err)}",
                hint="it was removed, or the server gives the heads of branches and tags only",
            )
        is_ssh = self._login.url.startswith("ssh:")
        secret = "`credentials.sshKey`" if is_ssh else "`credentials.token`"
        return explain(ended.err, where=self._where, secret=secret, needs="read the repository")

    @property
    def _where(self) -> str:
        return f"git {self._login.url}"

    def _too_many(self) -> RenderError:
        return RenderError(
            f"{self._where}: the commit is too large: more than {MAX_FILES:,} files",
            hint="use a repository of manifests",
        )

    def _too_large(self) -> RenderError:
        return RenderError(
            f"{self._where}: the commit is too large: more than {self._max_bytes:,} bytes",
            hint="raise `maxBytes` of the source, or use a repository of manifests",
        )


def _sweep(copy: Path) -> None:
    """Remove what a killed process left; nobody else is here."""
    places = (*copy.glob("*.lock"), *(copy / "refs").rglob("*.lock"), copy / "gc.pid")
    for path in (*places, *(copy / "objects" / "pack").glob("tmp_*")):
        path.unlink(missing_ok=True)
