"""Encrypted files of kustomizations: decrypted before the build, with sops itself (RE-31)."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rollwright.errors import RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.kustomize import Kustomize

CLEAR = {
    "secret.env": "PASSWORD=hunter2-hunter2\n",
    "secret.yaml": "password: hunter2-hunter2\n",
    "secret.json": '{"password": "hunter2-hunter2"}',
    "secret.ini": "[db]\npassword = hunter2-hunter2\n",
    "secret.pem": "-----BEGIN KEY-----\nhunter2-hunter2\n-----END KEY-----\n",
    "db.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {p: hunter2-hunter2}\n",
    "map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata: {p: hunter2-hunter2}\n",
}
STAND_IN = """#!{python}
import sys
text = open(sys.argv[-1]).read()
print(text.replace("ENC[hidden]", "hunter2-hunter2").partition("sops")[0])
"""
NEEDS_SOPS = pytest.mark.skipif(
    not (shutil.which("sops") and shutil.which("age-keygen")), reason="no sops, no age-keygen"
)


@pytest.fixture(scope="session")
def encrypted(tmp_path_factory):
    """Every clear file as sops encrypts it, and where the key is."""
    folder = tmp_path_factory.mktemp("sops")
    key = folder / "key.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    public = next(line for line in key.read_text().splitlines() if "age1" in line).split()[-1]
    texts = {}
    for name, text in CLEAR.items():
        (folder / name).write_text(text)
        values = ["--encrypted-regex", "^(data|stringData)$"] if text.startswith("api") else []
        command = ["sops", "-e", "--age", public, *values, folder / name]
        done = subprocess.run(command, check=True, capture_output=True, env=dict(os.environ))
        assert b"hunter2" not in done.stdout
        texts[name] = done.stdout
    return texts, key


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Write a source; what is left of its build is looked at afterwards."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    folder = tmp_path / "source"

    async def build(files, **options):
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        before = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        request = RenderRequest(checkout=Checkout(root=folder, revision="r"))
        try:
            return await Kustomize.model_validate(options).render(request)
        finally:
            assert before == {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
            assert list(scratch.iterdir()) == []

    return build


def values(found, part="data"):
    return {
        key: base64.b64decode(text).decode() for key, text in found.manifests[0].body[part].items()
    }


@NEEDS_SOPS
@pytest.mark.parametrize("name", ["secret.yaml", "secret.json", "secret.ini", "secret.pem"])
async def test_a_file_of_a_secret_generator_is_in_clear_text(source, encrypted, monkeypatch, name):
    texts, key = encrypted
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key))
    kustomization = f"secretGenerator: [{{name: db, files: [key={name}]}}]\n"
    found = await source({"kustomization.yaml": kustomization, name: texts[name]})

    assert "hunter2-hunter2" in values(found)["key"]
    assert "sops" not in values(found)["key"]


@NEEDS_SOPS
async def test_variables_of_a_secret_generator_of_a_base_are_decrypted(
    source, encrypted, monkeypatch
):
    texts, key = encrypted
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key))
    found = await source({
        "overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: a-\n",
        "base/kustomization.yaml": "secretGenerator: [{name: db, envs: [secret.env]}]\n",
        "base/secret.env": texts["secret.env"],
    }, path="overlay")  # fmt: skip

    assert values(found) == {"PASSWORD": "hunter2-hunter2"}
    assert found.manifests[0].ref.name.startswith("a-db-")


@NEEDS_SOPS
@pytest.mark.parametrize("kustomization", ["resources: [db.yaml]\n", None], ids=["named", "made"])
async def test_a_secret_among_the_resources_is_decrypted(
    source, encrypted, monkeypatch, kustomization
):
    texts, key = encrypted
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key))
    named = {"kustomization.yaml": kustomization} if kustomization else {}
    found = await source({**named, "db.yaml": texts["db.yaml"]}, targetNamespace="shop")

    assert found.manifests[0].body["stringData"] == {"p": "hunter2-hunter2"}
    assert str(found.manifests[0].origin).startswith("db.yaml:")
    assert "sops" not in found.manifests[0].body


@NEEDS_SOPS
async def test_without_the_key_nothing_is_built(source, encrypted, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "/nonexistent")
    kustomization = "secretGenerator: [{name: db, files: [secret.yaml]}]\n"
    with pytest.raises(RenderError, match=r"secret\.yaml: sops cannot decrypt it"):
        await source(
            {"kustomization.yaml": kustomization, "secret.yaml": encrypted[0]["secret.yaml"]}
        )


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    path = tmp_path / "sops"
    path.write_text(STAND_IN.format(python=sys.executable))
    path.chmod(0o700)
    monkeypatch.setenv("ROLLWRIGHT_SOPS", str(path))


FILE = "password: ENC[hidden]\nsops: {mac: x, version: 3.9.0}\n"


async def test_a_config_map_would_show_it(source, stand_in):
    kustomization = "configMapGenerator: [{name: a, files: [secret.yaml]}]\n"
    with pytest.raises(
        RenderError, match=r"secret\.yaml is encrypted, and plans would show"
    ) as caught:
        await source({"kustomization.yaml": kustomization, "secret.yaml": FILE})

    assert caught.value.message.startswith("kustomization.yaml: configMapGenerator.files: ")
    assert "use secretGenerator" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("said", "word"), [("shown", "hunter2-hunter2"), ("disabled", "ENC[hidden]")]
)
async def test_what_a_generator_says_of_it_counts(source, stand_in, said, word):
    options = f"options: {{annotations: {{rollwright.dev/decrypt: {said}}}}}"
    kustomization = f"configMapGenerator: [{{name: a, files: [secret.yaml], {options}}}]\n"
    found = await source({"kustomization.yaml": kustomization, "secret.yaml": FILE})

    assert word in found.manifests[0].body["data"]["secret.yaml"]


async def test_a_map_that_is_encrypted_would_be_shown(source, stand_in):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 'ENC[hidden]'}\nsops: {mac: x}\n"
    with pytest.raises(RenderError, match="holds more than Secrets"):
        await source({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": text})


async def test_what_only_speaks_of_sops_is_left_as_it_is(source, monkeypatch):
    monkeypatch.setenv("ROLLWRIGHT_SOPS", str(Path("/nonexistent")))
    kustomization = "configMapGenerator: [{name: a, files: [notes.txt]}]\n"
    found = await source({"kustomization.yaml": kustomization, "notes.txt": "we use sops\n"})

    assert found.manifests[0].body["data"] == {"notes.txt": "we use sops\n"}
