"""Rollouts whose files lie in git, from their documents on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollwright import library
from rollwright.engine.inputs.fetching import resolve_source
from rollwright.engine.operations import manual_trigger
from rollwright.engine.site import open_site
from rollwright.engine.stages import DIRECT
from rollwright.errors import InvalidSpec, RenderError

OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: shop}\n"


@pytest.fixture
def declare(repository, server, tmp_path, monkeypatch):
    """Write a document; words are the options of its source."""
    monkeypatch.setenv("SOURCE_GIT_TOKEN", server.password)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def declare(**options):
        given = {"url": repository.url, "credentials": {"token": {"env": "SOURCE_GIT_TOKEN"}}}
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "shop"},
            "spec": {"source": {"use": "git", "with": {**given, **options}}, "validate": []},
        }  # fmt: skip
        (tmp_path / "rollout.yaml").write_text(json.dumps(document))
        return library.load(tmp_path)

    return declare


async def test_objects_are_rendered_at_a_commit(repository, declare):
    commit = repository.commit(
        {"deploy/web.yaml": OBJECT % b"web", "other.yaml": OBJECT % b"other"}
    )
    wanted = await library.render(declare(path="deploy"))

    assert wanted.source == f"main@sha1:{commit}"
    assert [one.ref.name for one in wanted] == ["web"]


async def test_a_trigger_asks_for_a_commit(repository, declare):
    old = repository.commit({"web.yaml": OBJECT % b"old"})
    repository.commit({"web.yaml": OBJECT % b"new"})
    loaded = declare()
    async with open_site(loaded) as site:
        trigger = replace(manual_trigger("shop"), revision=f"main@sha1:{old}")
        checkout = await DIRECT.fetch(site, loaded.spec, trigger)

    assert checkout.revision == f"main@sha1:{old}"


async def test_a_poll_asks_for_the_revision_alone(repository, declare, tmp_path):
    commit = repository.commit({"web.yaml": OBJECT % b"web"})
    loaded = declare()
    async with open_site(loaded) as site:
        revision = await resolve_source(site, loaded.spec)

    assert revision == f"main@sha1:{commit}"
    assert not list(tmp_path.rglob("*.pack"))


async def test_the_site_allows_repositories_of_this_machine(repository, declare, tmp_path):
    repository.commit({"web.yaml": OBJECT % b"web"})
    folder = repository.server.path(repository.name)
    loaded = declare(url=f"file://{folder}", credentials={})
    with pytest.raises(RenderError, match="the site allows no repository there"):
        await library.render(loaded)
    (tmp_path / "site.toml").write_text(f'[sources]\nrepositories = ["{folder.parent}/*"]\n')

    assert len(await library.render(loaded)) == 1


async def test_a_secret_in_the_document_is_refused_and_not_quoted(declare):
    with pytest.raises(InvalidSpec) as told:
        await library.render(declare(credentials={"token": "hunter2"}))

    assert "hunter2" not in str(told.value)


async def test_a_file_of_values_may_lie_in_the_repository(repository, declare, tmp_path):
    repository.commit({
        "app/main.jsonnet": b"local c = import 'generic-operator/config'; {objects: {a: "
        b"{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: c.name, namespace: 'x'}}}}",
        "values/prod.yaml": b"name: prod\n",
    })  # fmt: skip
    loaded = declare(path="app")
    document = json.loads(loaded.path.read_text())
    document["spec"] |= {
        "config": [{"file": "values/prod.yaml"}],
        "render": {"use": "jsonnet", "with": {"entrypoint": "main.jsonnet"}},
    }
    loaded.path.write_text(json.dumps(document))
    wanted = await library.render(library.load(tmp_path))

    assert [one.ref.name for one in wanted] == ["prod"]
