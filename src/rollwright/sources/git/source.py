"""Files of a git repository at one commit.

Before: a document names the repository, a trigger perhaps a commit.
After: renderers read the files of that commit, and nothing else.

A name is resolved to a commit first, by asking the server for the name alone (TR-04). A commit
that somebody asks for must have led to what the document names: whoever may send a trigger may
not choose from all that anybody ever pushed.
"""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.plugins.cache_folders import CacheFolder, writable
from rollwright.plugins.contracts import Checkout, FetchRequest, Push
from rollwright.plugins.git.program import GitProgram, Login
from rollwright.plugins.secret_refs import SecretSource, read_secret
from rollwright.sources.git import changes
from rollwright.sources.git.cache import GitCache
from rollwright.sources.git.changes import COMPARED, TOLD, Known
from rollwright.sources.git.options import GitOptions, KnownHosts
from rollwright.sources.git.refs import Found, choose, is_commit, patterns_of, wanted_commit
from rollwright.sources.git.signatures import check_signature, digest_of_signers


class Git(GitOptions):
    """Take files from a git repository, at an immutable commit.

    No hooks, submodules, filters or links of the repository count: a link is a file that holds
    where it leads.
    """

    async def fetch(self, request: FetchRequest) -> Checkout:
        """Return the files of the commit that ``ref`` means now, or that was asked for.

        Raises:
            RenderError: There is no such ref, commit or folder, or it is too large.
            Unreachable: The server does not answer.
            Unauthorized: It does not know us.
        """
        return await asyncio.to_thread(self._fetch, request)

    async def resolve(self, request: FetchRequest) -> str:
        """Return the revision that ``fetch`` would give, without fetching it."""
        return await asyncio.to_thread(self._resolve, request)

    async def touches(self, request: FetchRequest, old: str, new: str) -> bool:
        """Return whether a rollout may read what changed between two revisions.

        Raises:
            RenderError: One of them is no revision, or is not there any more.
            Unreachable: The server does not answer.
        """
        return await asyncio.to_thread(self._touches, request, old, new)

    def is_pushed(self, request: FetchRequest, push: Push) -> bool:
        """Return whether a push may have changed what ``fetch`` gives; asks nobody."""
        if not changes.is_about(push, self.url, self.ref or ""):
            return False
        if push.changed is None or changes.may_read(push.changed, (self.path,)):
            return True
        reads = self._reads(request, push.old, TOLD)
        may = changes.may_read(push.changed, reads)
        if reads is not None and not may and is_commit(push.new):
            TOLD.note(self._key(request, push.new), reads)
        return may

    def place(self, request: FetchRequest) -> str:
        """Return what is the same for all sources of one ref of one repository."""
        given = self.model_dump_json(exclude={"path", "depth", "max_bytes"})
        return f"{request.base if _names_files(self) else ''}\n{given}"

    def _touches(self, request: FetchRequest, old: str, new: str) -> bool:
        # A ref that is called otherwise now is another one.
        commits = [wanted_commit(one, one.rpartition("@")[0], self._where) for one in (old, new)]
        if not all(commits) or len(commits[0]) != len(commits[1]):
            return True
        names = self._cache(request).changed(*commits)
        if request.paths:
            return changes.matches(names, request.paths)
        old_reads = self._reads(request, commits[0], COMPARED)
        may = bool(names) and changes.may_read(names, old_reads)
        if old_reads is not None and not may:
            COMPARED.note(self._key(request, commits[1]), old_reads)
        return may

    def _reads(self, request: FetchRequest, commit: str, known: Known) -> tuple[str, ...] | None:
        """Return what a rollout of this source reads at a commit, as far as it is known here."""
        if not is_commit(commit):
            return None
        noted = known.find(self._key(request, commit))
        if noted is not None:
            return noted
        trees = self._copies(request, Login(url=self.url)).trees  # nobody is asked, or logs in
        return changes.folders_read(trees.find(commit), self.path, request.beside)

    def _key(self, request: FetchRequest, commit: str) -> tuple[str, ...]:
        return (self.url, self.path, commit, *request.beside)

    def _resolve(self, request: FetchRequest) -> str:
        return self._found(self._cache(request), request.revision).revision

    def _fetch(self, request: FetchRequest) -> Checkout:
        cache = self._cache(request)
        found = self._found(cache, request.revision)

        def check(git: GitProgram, commit: str) -> None:
            if self.verify is not None:
                check_signature(git, commit, self.verify, request.base)

        top = cache.tree(found, check)
        root = tree.inside(top, self.path or ".")
        notes = (note,) if (note := self._kept_in.note) else ()
        return Checkout(root=root, revision=found.revision, fence=top, notes=notes)

    def _found(self, cache: GitCache, revision: str) -> Found:
        """Return the commit to take.

        Raises:
            RenderError: There is none, or what was asked for is none of the source's.
        """
        ref = self.ref or ""
        if is_commit(ref):
            return self._pinned(cache, ref, revision)
        found = choose(cache.listing(*patterns_of(ref)), ref, self._where)
        wanted = wanted_commit(revision, found.label, self._where)
        if not wanted or wanted == found.commit:
            return found
        if not cache.led_to(wanted, found):
            raise self._unreachable(wanted, found.name)
        return Found(label=found.label, name=found.name, tip=wanted, commit=wanted)

    def _pinned(self, cache: GitCache, commit: str, revision: str) -> Found:
        wanted = wanted_commit(revision, "", self._where)
        if wanted not in {"", commit}:
            raise RenderError(
                f"{self._where}: the document names commit {commit}, not {wanted}",
                hint="name a branch as `ref` to roll out its commits",
            )
        # What is kept was some branch's or tag's when it was fetched.
        if cache.trees.find(commit) is None and not cache.is_anywhere(commit):
            raise self._unreachable(commit, "any branch or tag")
        return Found(label="", name="", tip=commit, commit=commit)

    def _unreachable(self, commit: str, name: str) -> RenderError:
        return RenderError(
            f"{self._where}: commit {commit} is not part of {name}",
            hint="push it to a branch of this repository, or correct the commit",
        )

    @property
    def _where(self) -> str:
        return f"git {self.url}"

    def _cache(self, request: FetchRequest) -> GitCache:
        return self._copies(request, self._login(request, self._kept_in.path))

    @property
    def _kept_in(self) -> CacheFolder:
        return writable(self.cache.expanduser())

    def _copies(self, request: FetchRequest, login: Login) -> GitCache:
        folder = self._kept_in.path
        if self.verify is not None:
            # Kept apart by who may sign: the signature of what is kept was looked at once.
            folder = folder / f"signed-{digest_of_signers(self.verify, request.base)}"
        return GitCache(folder, login, depth=self.depth, max_bytes=self.max_bytes)

    def _login(self, request: FetchRequest, folder: Path) -> Login:
        given, base = self.credentials, request.base.absolute()
        token = ""
        if given.token is not None:
            token = read_secret(_placed(given.token, base), "git source: `credentials.token`")
        return Login(
            url=self.url,
            username=given.username,
            password=token,
            ssh_key=given.ssh_key.at(base) if given.ssh_key else None,
            known_hosts=_hosts(given.known_hosts, base, folder) if given.known_hosts else None,
            ca_file=given.ca_file.at(base) if given.ca_file else None,
            timeout_seconds=self.timeout.total_seconds(),
            configuration={"remote.origin.url": self.url, **self._local(request)},
        )

    def _local(self, request: FetchRequest) -> dict[str, str]:
        """Allow a repository on this machine, if the site does."""
        if not self.url.startswith("file:"):
            return {}
        path = Path(urlsplit(self.url).path).resolve()
        if not any(_allows(glob, path) for glob in request.local_repositories):
            raise RenderError(
                f"{self._where}: the site allows no repository there",
                hint='list its folder in site.toml: [sources] repositories = ["/srv/git/*"]',
            )
        return {"protocol.file.allow": "always"}


def _allows(glob: str, path: Path) -> bool:
    parts, wanted = path.parts, Path(glob).expanduser().parts
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _names_files(source: GitOptions) -> bool:
    """Whether options name files, which are other ones in another folder."""
    given = source.credentials
    token = given.token is not None and given.token.file is not None
    return bool(token or given.ssh_key or given.known_hosts or given.ca_file or source.verify)


def _placed(secret: SecretSource, base: Path) -> SecretSource:
    if secret.file is None:
        return secret
    return secret.model_copy(update={"file": str(base / Path(secret.file).expanduser())})


def _hosts(hosts: KnownHosts, base: Path, folder: Path) -> Path:
    """Return the file of known hosts; a text becomes a file that is called by its digest."""
    if hosts.file:
        return base / Path(hosts.file).expanduser()
    text = hosts.text.strip() + "\n"
    path = folder / f"known-hosts-{sha256(text.encode()).hexdigest()[:24]}"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path
