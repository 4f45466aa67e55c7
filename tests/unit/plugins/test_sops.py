"""Encrypted files, with a program in sops' place that speaks as it does; and with sops itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollwright.errors import RenderError
from rollwright.plugins import sops
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.plain import Plain

STAND_IN = """#!{python}
import json, os, sys
text = open(sys.argv[-1]).read()
with open({log!r}, "w") as log:
    json.dump({{"arguments": sys.argv[1:], "environment": dict(os.environ)}}, log)
if os.environ.get("SOPS_AGE_KEY_FILE") != "right":
    sys.exit("Failed to get the data key required to decrypt the SOPS file.")
lines = text.replace("ENC[hidden]", "hunter2-hunter2").splitlines()
if "json" in sys.argv:
    value = json.loads("\\n".join(lines))
    del value["sops"]
    print(json.dumps(value))
else:
    print("\\n".join(line for line in lines if "sops" not in line))
"""
SECRET = (
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db%s}\nstringData: {password: 'ENC[hidden]'}\n"
    "sops: {mac: x, version: 3.9.0}\n"
)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The stand-in; returns what it was called with."""
    log, path = tmp_path / "log.json", tmp_path / "bin" / "sops"
    path.parent.mkdir()
    path.write_text(STAND_IN.format(python=sys.executable, log=str(log)))
    path.chmod(0o700)
    monkeypatch.setenv("ROLLWRIGHT_SOPS", str(path))
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "right")
    return lambda: json.loads(log.read_text())


async def render(folder, **files):
    tree = folder / "tree"
    tree.mkdir(exist_ok=True)
    for name, text in files.items():
        (tree / f"{name}.yaml").write_text(text)
    checkout = Checkout(root=tree, revision="r")
    return [one.body for one in await Plain().render(RenderRequest(checkout=checkout))]


async def test_a_secret_is_decrypted_when_it_is_rendered(program, tmp_path):
    [body] = await render(tmp_path, db=SECRET % "")

    assert body["stringData"] == {"password": "hunter2-hunter2"}
    assert "sops" not in body


async def test_the_program_reads_a_pipe_and_writes_no_file(program, tmp_path):
    await sops.decrypted(SECRET % "", "db.yaml")

    assert program()["arguments"] == [
        *("--decrypt", "--input-type", "yaml", "--output-type", "yaml", "/dev/stdin")
    ]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bin", "log.json"]


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.json", "json"), ("a.env", "dotenv"), (".env", "dotenv"), (".env.prod", "dotenv"),
     ("a.yml", "yaml"), ("a", "yaml")],
)  # fmt: skip
async def test_the_name_tells_the_form(program, name, form):
    await sops.decrypted(json.dumps({"sops": {"mac": "x"}}), name)

    assert program()["arguments"][2] == form


async def test_keys_of_the_environment_are_passed_on_and_nothing_else(program, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", "v")
    monkeypatch.setenv("ROLLWRIGHT_STORES__DEFAULT__WITH__KEY", "evil")
    monkeypatch.setenv("TEAM_HOOK_SECRET", "evil")
    await sops.decrypted(SECRET % "", "db.yaml")
    environment = program()["environment"]

    assert (environment["VAULT_TOKEN"], environment["SOPS_AGE_KEY_FILE"]) == ("v", "right")
    assert "evil" not in environment.values()


async def test_a_wrong_key_is_an_error_that_names_the_file(program, tmp_path, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "wrong")
    with pytest.raises(RenderError, match=r"db\.yaml: sops cannot decrypt it: Failed to get the"):
        await render(tmp_path, db=SECRET % "")


async def test_without_the_program_the_file_and_the_program_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ROLLWRIGHT_SOPS", raising=False)
    with pytest.raises(RenderError) as told:
        await render(tmp_path, db=SECRET % "")

    assert "db.yaml: it is encrypted with SOPS, and there is no sops on PATH" in str(told.value)
    assert "ROLLWRIGHT_SOPS" in str(told.value.hint)


async def test_a_program_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ROLLWRIGHT_SOPS", "/nowhere/sops")
    with pytest.raises(RenderError, match="ROLLWRIGHT_SOPS names no program: '/nowhere/sops'"):
        await sops.decrypted(SECRET % "", "db.yaml")


async def test_a_program_that_never_ends_is_ended(tmp_path, monkeypatch):
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    slow.chmod(0o700)
    monkeypatch.setenv("ROLLWRIGHT_SOPS", str(slow))
    monkeypatch.setattr(sops, "SECONDS", 0.5)
    with pytest.raises(RenderError, match="has not ended"):
        await sops.decrypted(SECRET % "", "db.yaml")

    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


@pytest.mark.parametrize(
    "annotation",
    ["kustomize.toolkit.fluxcd.io/decrypt: Disabled", "rollwright.dev/decrypt: disabled"],
)
async def test_an_object_may_say_that_it_is_not_to_be_decrypted(tmp_path, monkeypatch, annotation):
    monkeypatch.setenv("ROLLWRIGHT_SOPS", "/nowhere/sops")
    text = (SECRET % "").replace("{name: db}", f"{{name: db, annotations: {{{annotation}}}}}")
    [body] = await render(tmp_path, db=text)

    assert body["stringData"] == {"password": "ENC[hidden]"}


async def test_objects_of_one_file_are_decrypted_together_or_not_at_all(program, tmp_path):
    left = (SECRET % "").replace("db}", "db, annotations: {rollwright.dev/decrypt: disabled}}")
    with pytest.raises(RenderError, match="some of its objects"):
        await render(tmp_path, db=f"{SECRET % '2'}---\n{left}")


async def test_clear_text_that_plans_would_show_is_refused(program, tmp_path):
    text = (SECRET % "").replace("kind: Secret", "kind: ConfigMap")
    with pytest.raises(RenderError) as told:
        await render(tmp_path, db=text)

    assert "plans would show" in str(told.value)
    assert "hunter2" not in str(told.value)


async def test_clear_text_may_be_declared_to_be_no_secret(program, tmp_path):
    mark = "db, annotations: {rollwright.dev/decrypt: shown}}"
    text = (SECRET % "").replace("kind: Secret", "kind: ConfigMap").replace("db}", mark)
    [body] = await render(tmp_path, db=text)

    assert body["stringData"] == {"password": "hunter2-hunter2"}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"sops": {"mac": "x"}}, True),
        ({"sops": {"lastmodified": "x"}}, True),
        ({"sops": {}}, False),
        ({"sops": "x"}, False),
        ({"sops": {"image": "x"}}, False),
        ([], False),
        (None, False),
    ],
)
def test_what_counts_as_encrypted(value, found):
    assert sops.is_encrypted(value) is found


def test_a_word_alone_makes_no_encrypted_file():
    assert not sops.is_encrypted_text(b"text: we use sops\n", "a.yaml")
    assert not sops.is_encrypted_text(b"a: [sops\n", "a.yaml")
    assert not sops.is_encrypted_text(b"A=sops_mac\n", "a.env")
    assert sops.is_encrypted_text(b"A=ENC[x]\nsops_mac=ENC[x]\n", "a.env")


def test_what_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(sops, "MAX_BYTES", 10)
    with pytest.raises(RenderError, match="larger than 10 bytes"):
        sops.decrypt(SECRET % "", "db.yaml")


@pytest.mark.skipif(
    not (shutil.which("sops") and shutil.which("age-keygen")), reason="no sops, no age-keygen"
)
async def test_what_sops_itself_encrypted_is_opened(tmp_path, monkeypatch):
    key = tmp_path / "key.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    public = next(line for line in key.read_text().splitlines() if "age1" in line).split()[-1]
    clear = tmp_path / "db.yaml"
    clear.write_text((SECRET % "").partition("sops:")[0].replace("ENC[hidden]", "hunter2-hunter2"))
    command = ["sops", "-e", "--age", public, "--encrypted-regex", "^(data|stringData)$", clear]
    done = subprocess.run(command, check=True, capture_output=True, env=dict(os.environ))
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key))
    assert b"hunter2" not in done.stdout
    [body] = await render(tmp_path, db=done.stdout.decode())

    assert body["stringData"] == {"password": "hunter2-hunter2"}
