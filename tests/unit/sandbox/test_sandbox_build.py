"""Building the programs, without building them."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from rollwright.errors import SandboxError
from rollwright.sandbox import builder
from rollwright.sandbox.builder import build_argv, build_binaries, build_environment, progress_of
from rollwright.sandbox.places import MODULE_FOLDER, cache_folder
from rollwright.sandbox.processes import end_group
from rollwright.sandbox.versions import COMPONENTS, PINNED

FAKE_GO = """\
#!/bin/sh
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit; fi
echo run >> {log}
{body}
"""

BUILDS = """\
while [ "$1" != -o ]; do shift; done
for name in controlplane kwok; do printf '#!/bin/sh\\n' > $2$name; chmod +x $2$name; done
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "_packaged_go", lambda: None)
    return {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def make_go(tmp_path):
    def make(body=BUILDS, version="1.27.1", folder="bin"):
        (tmp_path / folder).mkdir(exist_ok=True)
        program = tmp_path / folder / "go"
        program.write_text(FAKE_GO.format(version=version, body=body, log=tmp_path / "runs"))
        program.chmod(0o755)
        return program

    return make


def runs(tmp_path) -> int:
    log = tmp_path / "runs"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_build_makes_every_component(world, make_go):
    make_go()

    built = build_binaries(environment=world)

    assert built.version == PINNED.kubernetes
    assert {path.parent for path in built.paths.values()} == {cache_folder(world)}


def test_a_second_build_does_nothing(tmp_path, world, make_go):
    make_go()

    build_binaries(environment=world)
    build_binaries(environment=world)

    assert runs(tmp_path) == 1


def test_two_builds_at_once_do_the_work_once(tmp_path, world, make_go):
    make_go(f"sleep 0.3\n{BUILDS}")
    threads = [
        threading.Thread(target=build_binaries, kwargs={"environment": world}) for _ in range(3)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert runs(tmp_path) == 1


def test_an_incomplete_cache_is_built_again(world, make_go):
    make_go()
    built = build_binaries(environment=world)
    built["kwok"].unlink()

    again = build_binaries(environment=world)

    assert again["kwok"].exists()


def test_a_failed_build_quotes_the_compiler_and_leaves_nothing(world, make_go):
    make_go("echo 'net/http' >&2; echo 'main.go:7:2: undefined: apiserver' >&2; exit 1")

    with pytest.raises(SandboxError, match=r"ended with 1: main\.go:7:2: undefined") as error:
        build_binaries(environment=world)

    assert "net/http" not in error.value.message
    assert [path.suffix for path in cache_folder(world).parent.iterdir()] == [".lock"]


def test_an_interrupted_build_ends_the_compiler(tmp_path, world, make_go):
    make_go(f"echo $$ > {tmp_path}/pid; for i in $(seq 20); do echo net/http >&2; done; sleep 60")

    def interrupt(text: str) -> None:
        if text.startswith("compiling"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_binaries(interrupt, world)

    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_progress_tells_downloads_and_packages():
    lines = ["go: downloading k8s.io/api v0.36.3", *["net/http"] * 20, "# a note", *["x/y"] * 20]

    assert list(progress_of(lines, total=80)) == [
        "fetching Go modules (1)",
        "compiling (25 %)",
        "compiling (50 %)",
    ]


def test_progress_never_says_that_all_is_done():
    assert list(progress_of(["a"] * 20, total=10)) == ["compiling (99 %)"]


def test_without_go_the_error_says_what_to_install(world):
    with pytest.raises(SandboxError) as error:
        build_binaries(environment=world | {"PATH": "/nowhere"})

    assert "rollwright[go]" in (error.value.hint or "")


def test_a_go_that_is_too_old_is_passed_over_for_the_packaged_one(world, make_go, monkeypatch):
    make_go(version="1.25.9")
    packaged = make_go(version="1.26.0", folder="packaged")
    monkeypatch.setattr(builder, "_packaged_go", lambda: packaged)

    assert builder.find_go(world) == packaged


def test_the_packaged_go_is_a_program():
    go = builder._packaged_go()

    assert go is not None
    assert go.as_posix().endswith("go/bin/go")


def test_the_build_keeps_the_users_proxy_and_pins_the_rest():
    given = build_environment({"GOPROXY": "https://proxy.example", "GOFLAGS": "-mod=mod"})

    assert given["GOPROXY"] == "https://proxy.example"
    assert (given["GOFLAGS"], given["GOTOOLCHAIN"], given["CGO_ENABLED"]) == (
        "-mod=readonly",
        "local",
        "0",
    )


def test_the_programs_say_their_version():
    line = " ".join(build_argv(Path("/go"), Path("/out")))

    assert f"version.gitVersion=v{PINNED.kubernetes} " in line
    assert "version.gitMajor=1 " in line


def test_the_go_module_pins_the_versions_that_we_name():
    text = (MODULE_FOLDER / "go.mod").read_text()
    staging = set(re.findall(r"=> k8s\.io/\S+ v(\S+)", text))

    assert f"k8s.io/kubernetes v{PINNED.kubernetes}\n" in text
    assert f"go.etcd.io/etcd/server/v3 v{PINNED.etcd}\n" in text
    assert f"sigs.k8s.io/kwok v{PINNED.kwok} " in text
    assert staging == {f"0.{PINNED.kubernetes.removeprefix('1.')}"}


def test_the_go_module_pins_hashes():
    text = (MODULE_FOLDER / "go.sum").read_text()

    assert re.search(
        rf"^k8s\.io/kubernetes v{re.escape(PINNED.kubernetes)} h1:", text, re.MULTILINE
    )


def test_one_program_serves_the_whole_control_plane(world, make_go):
    make_go()

    built = build_binaries(environment=world)

    targets = {built[name].resolve().name for name in COMPONENTS}
    assert targets == {"controlplane", "kwok"}


def test_a_killed_child_group_is_reaped():
    with subprocess.Popen(["sleep", "60"], start_new_session=True, text=True) as child:
        end_group(child)

        assert child.returncode == -signal.SIGKILL
