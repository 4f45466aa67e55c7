"""Rows of a real database as values and data of a rollout."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rollwright import library
from rollwright.engine.documents import load_rollout
from rollwright.engine.inputs.configuration import configure
from rollwright.engine.site import Site
from rollwright.engine.site_file import LoadedSite
from rollwright.engine.site_file.model import SiteFile
from rollwright.errors import InvalidDocument, InvalidSpec
from rollwright.plugins.contracts import Checkout
from rollwright.testing.fake import FakeCluster

ROLLOUT: dict[str, Any] = {
    "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "shop"},
    "spec": {
        "source": {"path": "source"}, "target": {"namespace": "shop"},
        "render": {"use": "jsonnet", "with": {"entrypoint": "main.jsonnet"}},
    },
}  # fmt: skip
MAIN = """
local rows = import 'locutus-runtime/tenants';
local config = import 'generic-operator/config';
{objects: {[row.name]: {
  apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: row.name},
  data: {replicas: '%d' % row.replicas, known: '%d' % std.length(config.rows)},
} for row in rows}}
"""
QUERY = {
    "query": {"database": "main", "statement": "SELECT * FROM tenants ORDER BY name", "as": "rows"}
}


@pytest.fixture
async def site(options, sql, tmp_path):
    await sql(f'CREATE SCHEMA "{options["schema"]}"')
    await sql("CREATE TABLE tenants (name text, replicas int)")
    await sql("INSERT INTO tenants VALUES ('acme', 3), ('zeta', 1)")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "main.jsonnet").write_text(MAIN)
    statement = "SELECT name, replicas FROM tenants ORDER BY name"
    file = SiteFile.model_validate({
        "databases": {"main": {"use": "postgres", "with": options}},
        "queries": {
            "tenants": {"database": "main", "statement": statement},
            "unused": {"database": "main", "statement": "SELECT nothing FROM nowhere"},
        },
    })  # fmt: skip
    made = []

    def make(*config):
        document = {**ROLLOUT, "spec": {**ROLLOUT["spec"], "config": list(config)}}
        (tmp_path / "rollout.yaml").write_text(json.dumps(document))
        loaded = load_rollout(tmp_path)
        one = Site(LoadedSite(file=file, path=None, root=tmp_path), rollout=loaded)
        one.use_cluster(FakeCluster())
        made.append(one)
        return one

    yield make
    for one in made:
        await one.close()


async def test_rows_become_values_and_named_queries_data(site):
    opened = site(QUERY)
    wanted = await library.render(opened.rollout, site=opened)
    objects = {one.ref.name: dict(one.body["data"]) for one in wanted}

    assert objects == {
        "acme": {"replicas": "3", "known": "2"},
        "zeta": {"replicas": "1", "known": "2"},
    }


async def configured(opened, tmp_path):
    checkout = Checkout(root=tmp_path / "source", revision="r")
    return await configure(opened, opened.rollout.spec, checkout)


async def test_only_queries_that_the_source_names_are_asked(site, tmp_path):
    found = await configured(site(QUERY), tmp_path)

    assert list(found.data) == ["tenants"]


async def test_a_named_query_that_fails_is_told(site, tmp_path):
    (tmp_path / "source" / "main.jsonnet").write_text("import 'locutus-runtime/unused'")
    with pytest.raises(InvalidDocument, match="SELECT nothing FROM nowhere"):
        await configured(site(QUERY), tmp_path)


async def test_rows_are_a_premise_that_changes_with_them(site, sql, tmp_path):
    first = (await configured(site(QUERY), tmp_path)).premises
    again = (await configured(site(QUERY), tmp_path)).premises
    await sql("UPDATE tenants SET replicas = 9")
    changed = (await configured(site(QUERY), tmp_path)).premises

    assert list(first) == ["spec.config[0].query (query of 'main')"]
    assert first == again
    assert first != changed


@pytest.mark.parametrize(
    ("database", "statement", "message"),
    [
        ("other", "SELECT 1 AS n", "no database 'other'"),
        ("main", "SELECT nothing FROM nowhere", 'relation "nowhere" does not exist'),
        ("main", "DROP TABLE tenants", "read-only transaction"),
    ],
)
async def test_a_query_that_fails_is_told_with_its_place(
    site, tmp_path, database, statement, message
):
    entry = {"query": {"database": database, "statement": statement}, "as": "x"}
    with pytest.raises(InvalidSpec) as told:
        await configured(site(entry), tmp_path)

    assert "rollout.yaml:1 spec.config[0].query: " in str(told.value)
    assert message in str(told.value)
