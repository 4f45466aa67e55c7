"""What a document, a repository or a server may try against the machine that reads it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from rollwright.errors import InvalidSpec, RenderError, RolloutError, Unreachable
from rollwright.plugins.registry import Registry
from rollwright.sources.git import cache
from rollwright.testing.git_server import DROP

HTTPS = "https://forge.example.org/a/b.git"


def build(**options):
    return Registry().build("sources", "git", {"url": HTTPS, **options})


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "fd::7",
        "--upload-pack=touch x",
        "-oProxyCommand=x",
        "ssh://-oProxyCommand=touch/x",
        "ssh://git@-h/x",
        "http://forge.example.org/a.git",
        "git://forge.example.org/a.git",
        "git@forge.example.org:a/b.git",
        "/srv/git/a.git",
        "../a",
        "file://host/srv/a",
        "file:///srv/../etc",
        "file:relative",
        "file:///srv/%2e%2e/a",
        "https://user:hunter2@forge.example.org/a.git",
        "https://hunter2@forge.example.org/a.git",
        "ssh://git:hunter2@forge.example.org/a.git",
        "https://forge.example.org/",
        "https://forge.example.org/a?token=hunter2",
        "https://forge.example.org/a#hunter2",
        "https://forge.example.org/a b",
        "https://forge.example.org/a\nb",
        "https://",
        "",
        "https://127.0.0.1.evil::x/a",
        "https://forge.example.org/" + "a" * 5000,
    ],
)
def test_an_address_that_is_something_else_is_refused_and_not_quoted(url):
    with pytest.raises(InvalidSpec) as told:
        build(url=url)

    assert "hunter2" not in str(told.value)
    assert "url" in told.value.problems[0].path


@pytest.mark.parametrize(
    "ref",
    [
        "--upload-pack=touch x", "-b", "a..b", "a b", "a~1", "a^{}", "a:b", "+a", "a*", "a\nb", "HEAD",
        "@", "@{u}", "refs/remotes/origin/a", "refs/a", "a//b", "a/", "/a", ".a", "a.lock", "a/.b",
        "a\\b", "ä", "a" * 5000, "$(touch x)",
    ],
)  # fmt: skip
def test_a_ref_that_is_something_else_is_refused(ref):
    with pytest.raises(InvalidSpec, match="ref"):
        build(ref=ref)


@pytest.mark.parametrize(
    "path", ["/etc", "..", "a/../../b", "../a", ".git", "a/.GIT/hooks", "a\\..\\b", "a\0b", "a\nb"]
)
def test_a_path_that_leads_out_is_refused(path):
    with pytest.raises(InvalidSpec, match="path"):
        build(path=path)


def test_a_secret_itself_is_refused_and_not_quoted():
    with pytest.raises(InvalidSpec) as told:
        build(credentials={"token": "hunter2"})

    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    "given", [{"knownHosts": {"file": "a", "text": "b"}}, {"knownHosts": {}}, {"sshKey": {}}]
)
def test_half_credentials_are_refused(given):
    with pytest.raises(InvalidSpec):
        build(credentials=given)


async def test_a_link_is_a_file_that_says_where_it_leads(repository, fetch):
    repository.commit({"secret": b"/etc/passwd", "up": b"../../.."},
                      modes={"secret": "120000", "up": "120000"})  # fmt: skip
    root = (await fetch()).root

    assert [(root / one).is_symlink() for one in ("secret", "up")] == [False, False]
    assert (root / "secret").read_text() == "/etc/passwd"


async def test_a_submodule_is_left_out(repository, fetch):
    repository.commit(
        {"vendor": b"1" * 40, "a.yaml": b"a: 1\n",
         ".gitmodules": b'[submodule "vendor"]\npath = vendor\nurl = https://evil.example.org/x\n'},
        modes={"vendor": "160000"},
    )  # fmt: skip
    root = (await fetch()).root

    assert (root / "a.yaml").exists()
    assert not list((root / "vendor").glob("*"))


@pytest.mark.parametrize("url", ["--upload-pack=touch x", "ext::sh -c touch"])
async def test_a_submodule_that_is_an_option_is_refused_by_git_or_left_out(
    repository, fetch, tmp_path, url
):
    text = f'[submodule "vendor"]\npath = vendor\nurl = {url}\n'.encode()
    repository.commit({"vendor": b"1" * 40, ".gitmodules": text}, modes={"vendor": "160000"})
    with suppress(RolloutError):  # git itself refuses the one or the other
        await fetch()

    assert not [one for one in tmp_path.rglob("vendor") if any(one.iterdir())]


async def test_attributes_of_the_repository_start_nothing(repository, fetch, tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
    attributes = b"* filter=lfs diff=lfs merge=lfs\nx filter=evil\n"
    repository.commit({"large": pointer, "x": b"1", ".gitattributes": attributes})

    assert ((await fetch()).root / "large").read_bytes() == pointer


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "."])
async def test_a_tree_whose_names_lead_out_is_refused(repository, fetch, tmp_path, name):
    blob = repository.git("hash-object", "-w", "--stdin", feed=b"evil")
    entry = b"100644 evil\0" + bytes.fromhex(blob)
    inner = repository.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", feed=entry)
    outer = b"40000 " + name.encode() + b"\0" + bytes.fromhex(inner)
    tree = repository.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", feed=outer)
    commit = repository.git("commit-tree", tree, "-m", "x")
    repository.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(RolloutError):
        await fetch()

    assert not list(tmp_path.rglob("evil"))


async def test_a_file_larger_than_allowed_is_refused_before_it_is_written(
    repository, fetch, tmp_path
):
    repository.commit({"large.bin": os.urandom(300_000)})
    with pytest.raises(RenderError, match="too large: more than 100,000 bytes"):
        await fetch(maxBytes=100_000)

    assert not list(tmp_path.rglob("large.bin"))


async def test_a_small_pack_of_large_files_is_refused(repository, fetch):
    repository.commit({f"{n}.bin": b"\0" * 2_000_000 for n in range(20)})
    with pytest.raises(RenderError, match="too large"):
        await fetch(maxBytes=10_000_000)


async def test_a_pack_beyond_the_limit_is_cut_off(repository, fetch, tmp_path):
    repository.commit({"large.bin": os.urandom(8_000_000)})
    with pytest.raises(RenderError, match="too large"):
        await fetch(maxBytes=1_000)

    assert sum(one.stat().st_size for one in tmp_path.rglob("*") if one.is_file()) < 4_000_000


async def test_too_many_files_are_refused(repository, fetch, monkeypatch):
    monkeypatch.setattr(cache, "MAX_FILES", 10)
    repository.commit({f"{n}.yaml": b"" for n in range(30)})
    with pytest.raises(RenderError, match="more than 10 files"):
        await fetch()


class Redirecting(BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self):
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(302)
        self.send_header("Location", f"/again/{len(self.seen)}/info/refs?service=git-upload-pack")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


async def test_redirects_are_not_followed(fetch):
    Redirecting.seen = []
    http = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    thread = Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        with pytest.raises(Unreachable):
            await fetch(url=f"http://127.0.0.1:{http.server_address[1]}/a.git")
    finally:
        http.shutdown()
        http.server_close()
        thread.join()

    assert len(Redirecting.seen) == 1


def children_of(folder):
    """Every process that works in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").readlink().is_relative_to(folder):
                found.append((place / "cmdline").read_bytes())  # empty: it is ending
        except OSError:
            continue
    return [one for one in found if one]


async def test_a_server_that_never_answers_is_left_and_no_process_stays(
    repository, fetch, server, tmp_path
):
    repository.commit({"a": b"1"})
    free = Event()

    def gate(method, path):
        free.wait(30)
        return DROP

    server.gate = gate
    try:
        with pytest.raises(Unreachable, match=r"no end after 0\.5 s"):
            await fetch(timeout="500ms")
    finally:
        free.set()

    assert children_of(tmp_path) == []


async def test_a_server_that_breaks_off_leaves_nothing_half_done(
    repository, fetch, server, tmp_path
):
    repository.commit({"a": b"1"})
    server.gate = lambda method, path: DROP if method == "POST" else None
    with pytest.raises(RolloutError):
        await fetch()
    server.gate = None

    assert not list(tmp_path.rglob(".new-*"))
    assert ((await fetch()).root / "a").read_text() == "1"


async def test_a_repository_on_this_machine_is_refused_unless_the_site_allows_it(
    repository, make, request_of, server
):
    repository.commit({"a": b"1"})
    source = make(url=f"file://{repository.server.path(repository.name)}", credentials={})
    with pytest.raises(RenderError, match="the site allows no repository there"):
        await source.fetch(request_of())
    allowed = request_of(local_repositories=(f"{server.root}/*",))

    assert ((await source.fetch(allowed)).root / "a").read_text() == "1"


async def test_a_link_to_another_repository_is_not_what_the_site_allows(
    repository, make, request_of, server, tmp_path
):
    repository.commit({"a": b"1"})
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "x").symlink_to(server.path(repository.name))
    source = make(url=f"file://{tmp_path}/allowed/x", credentials={})
    with pytest.raises(RenderError, match="the site allows no repository there"):
        await source.fetch(request_of(local_repositories=(f"{tmp_path}/allowed/*",)))


SSH = """#!/bin/sh
printf '%s\\n' "$@" > "{words}"
env > "{words}.env"
for last; do :; done
exec sh -c "$last"
"""


@pytest.fixture
def ssh_words(tmp_path, monkeypatch):
    """Where the words are that ssh was called with; it starts what it would start over there."""
    folder, words = tmp_path / "bin", tmp_path / "words"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(SSH.format(words=words))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return words


async def test_ssh_asks_nobody_and_trusts_no_stranger(repository, fetch, ssh_words, tmp_path):
    repository.commit({"a": b"1"})
    url = f"ssh://git@forge.example.org:2222{repository.server.path(repository.name)}"
    given = {
        "sshKey": {"file": "keys/deploy"},
        "knownHosts": {"text": "forge.example.org ssh-ed25519 A"},
    }
    checkout = await fetch(url=url, credentials=given)
    said = ssh_words.read_text().splitlines()
    hosts = next(one for one in said if one.startswith("UserKnownHostsFile=")).partition("=")[2]

    assert (checkout.root / "a").read_text() == "1"
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"} < set(said)
    assert str(tmp_path / "keys/deploy") in said
    assert said[said.index("-F") + 1] == "/dev/null"
    assert Path(hosts.strip('"')).read_text() == "forge.example.org ssh-ed25519 A\n"


async def test_the_environment_of_the_user_does_not_reach_git(
    repository, fetch, ssh_words, monkeypatch
):
    repository.commit({"a": b"1"})
    for name in ("GIT_SSH", "GIT_PROXY_COMMAND", "GIT_EXEC_PATH_X", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "evil")
    await fetch(
        url=f"ssh://git@h{repository.server.path(repository.name)}", credentials={}, timeout="20s"
    )

    assert "evil" not in Path(f"{ssh_words}.env").read_text()


def keygen(folder, name):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)],
        check=True,
    )
    return folder / name


def sign(repository, key):
    tree = repository.git("rev-parse", "main^{tree}")
    commit = repository.git(
        "-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "commit-tree", "-S", tree, "-m", "x"
    )
    repository.git("update-ref", "refs/heads/main", commit)


@pytest.mark.skipif(
    not any(Path(one, "ssh-keygen").exists() for one in os.get_exec_path()), reason="no ssh-keygen"
)
async def test_only_a_commit_that_somebody_signed_who_may_is_taken(repository, fetch, tmp_path):
    repository.commit({"a": b"1"})
    mine, other = keygen(tmp_path, "mine"), keygen(tmp_path, "other")
    public = mine.with_suffix(".pub").read_text()
    (tmp_path / "signers").write_text(f"test@localhost {public}")
    verify = {"sshAllowedSigners": {"file": "signers"}}
    with pytest.raises(RenderError, match="is not signed"):
        await fetch(verify=verify)
    sign(repository, other)
    with pytest.raises(RenderError, match="is not signed"):
        await fetch(verify=verify)
    await fetch()  # kept now, for those who ask for no signature
    with pytest.raises(RenderError, match="is not signed"):
        await fetch(verify=verify)
    sign(repository, mine)

    assert ((await fetch(verify=verify)).root / "a").read_text() == "1"


@pytest.fixture
def gpg_home():
    """A keyring of its own, and no agent left behind."""
    folder = tempfile.mkdtemp(prefix="rw-gpg-")  # short: the path of a socket is limited
    yield Path(folder)
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="no gpg")
async def test_a_commit_may_be_signed_with_gpg(repository, fetch, tmp_path, gpg_home):
    def gpg(*words):
        command = ["gpg", "--homedir", str(gpg_home), "--batch", "--passphrase", "", *words]
        return subprocess.run(command, check=True, capture_output=True).stdout

    gpg("--quick-generate-key", "Test <test@localhost>", "ed25519", "sign", "never")
    (tmp_path / "key.asc").write_bytes(gpg("--armor", "--export"))
    repository.commit({"a": b"1"})
    tree = repository.git("rev-parse", "main^{tree}")
    wrapper = tmp_path / "gpg-of-the-test"
    wrapper.write_text(f'#!/bin/sh\nexec gpg --homedir {gpg_home} --batch "$@"\n')
    wrapper.chmod(0o700)
    verify = {"gpgKeys": [{"file": "key.asc"}]}
    with pytest.raises(RenderError, match="is not signed"):
        await fetch(verify=verify)
    config = ("-c", f"gpg.program={wrapper}", "-c", "user.signingKey=test@localhost")
    commit = repository.git(*config, "commit-tree", "-S", tree, "-m", "x")
    repository.git("update-ref", "refs/heads/main", commit)

    assert ((await fetch(verify=verify)).root / "a").read_text() == "1"


class Endless(BaseHTTPRequestHandler):
    """Lists refs without an end, as the first version of the protocol does."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(b"001e# service=git-upload-pack\n0000")
            number = 0
            while True:
                line = f"{number:040x} refs/heads/{number:0900d}\n".encode()
                self.wfile.write(
                    b"".join(f"{len(line) + 4:04x}".encode() + line for _ in range(99))
                )
                number += 1

    def log_message(self, *_):
        """Say nothing."""


async def test_a_server_that_lists_refs_without_an_end_is_left(fetch, monkeypatch, tmp_path):
    monkeypatch.setattr("rollwright.sources.git.cache.MOST_OUTPUT", 2**20)
    http = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    thread = Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        with pytest.raises((Unreachable, RenderError)):
            await fetch(url=f"http://127.0.0.1:{http.server_address[1]}/a.git", timeout="3s")
    finally:
        http.shutdown()
        http.server_close()
        thread.join()

    assert children_of(tmp_path) == []
