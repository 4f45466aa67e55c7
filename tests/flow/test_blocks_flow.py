"""Blocks: what Prefect asks of them, saved and loaded as they were, and named by a site."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rollwright.engine.site import Site
from rollwright.engine.site_file import load_site
from rollwright.errors import InvalidSpec, NotFound, Unreachable
from rollwright.plugins.secret_refs import SecretSource, read_secret
from rollwright.rollouts.spec import parse

pytestmark = [
    pytest.mark.flow,
    pytest.mark.usefixtures("server"),
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    # Its standard suite is made for older signatures of its own classes.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("Cluster", "GitSource", "Etcd", "PostgreSQL", "WebhookSecret", "Site")


@pytest.fixture
def blocks(server):
    import rollwright.blocks

    return rollwright.blocks


@pytest.fixture
def api(server, monkeypatch):
    """The address of the server in the settings of this process, whatever thread asks."""
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())


def a_site(folder, text):
    path = folder / "site.toml"
    path.write_text(text)
    return Site(load_site(path))


class TestBlockTypes:
    @pytest.fixture(params=NAMES)
    def block(self, request, blocks):
        return getattr(blocks, request.param)

    def test_it_passes_the_standard_suite_but_its_logo(self, block):
        from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

        tests = {name for name in vars(BlockStandardTestSuite) if name.startswith("test_")}
        for test in tests - {"test_has_a_valid_image"}:
            getattr(BlockStandardTestSuite, test)(None, block)

    def test_it_is_known_by_a_slug_and_has_no_logo_that_a_browser_would_fetch(self, block):
        assert block._block_type_slug.startswith("rollwright-")
        assert block._logo_url is None

    def test_every_field_has_a_default(self, block):
        assert [name for name, one in block.model_fields.items() if one.is_required()] == []

    async def test_it_is_loaded_as_it_was_saved(self, block):
        saved = block()
        await saved.asave("as-it-was", overwrite=True)

        assert (await block.aload("as-it-was")).model_dump() == saved.model_dump()


async def test_a_block_of_a_union_is_loaded_as_what_it_was(blocks):
    site = blocks.Site(
        store=blocks.PostgreSQL(host="db"),
        clusters={"prod": blocks.Cluster(context="blue")},
        locks=blocks.Etcd(endpoints=["a:1"]),
        source=blocks.GitSource(url="https://git.example.com/a"),
    )
    await site.asave("union", overwrite=True)
    found = await blocks.Site.aload("union")

    assert type(found.store) is blocks.PostgreSQL
    assert type(found.clusters["prod"]) is blocks.Cluster
    assert found.model_dump() == site.model_dump()


async def test_a_document_that_was_saved_before_a_field_was_there_is_loaded(blocks):
    """What was saved has a subset of today's fields."""
    from prefect.blocks.core import Block
    from pydantic import create_model

    older = create_model("Etcd", __base__=Block, endpoints=(list[str], ["b:2"]))
    older._block_type_slug = blocks.Etcd._block_type_slug
    older._block_type_name = blocks.Etcd._block_type_name
    try:
        await older().asave("older", overwrite=True)
    finally:
        await blocks.Etcd.aregister_type_and_schema()
    found = await blocks.Etcd.aload("older")

    assert (found.endpoints, found.prefix, found.kind) == (["b:2"], "/rollwright", "etcd")


async def test_the_secret_of_a_webhook_is_masked_where_it_is_shown(blocks):
    block = blocks.WebhookSecret(secret="hunter2")

    assert "hunter2" not in str(block) + repr(block) + str(block.model_dump())


def test_the_package_is_found_by_the_server():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["entry-points"]["prefect.collections"] == {"rollwright": "rollwright.blocks"}


async def test_every_type_is_registered_from_the_file_of_the_site(blocks, record, prefect_home):
    from prefect.settings import PREFECT_API_URL

    done = subprocess.run(
        [sys.executable, "-m", "prefect", "block", "register", "-f", ROOT / "blocks/register.py"],
        env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()},
        cwd=prefect_home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    known = {one["slug"] for one in await record.ask("/block_types/filter")}

    assert {getattr(blocks, name)._block_type_slug for name in NAMES} <= known


@pytest.mark.usefixtures("api")
class TestNamedBySite:
    async def test_a_store_is_what_its_block_says(self, blocks, tmp_path):
        reference = blocks.SecretReference(env="DB_PASSWORD")
        await blocks.PostgreSQL(host="db", password=reference).asave("main", overwrite=True)
        site = a_site(tmp_path, '[stores.default]\nblock = "rollwright-postgresql/main"\n')
        use = site.loaded.file.stores["default"]
        plugin = site.registry.build("stores", use.name, use.options)

        assert (plugin.host, plugin.password.env) == ("db", "DB_PASSWORD")

    async def test_options_of_the_site_go_over_those_of_the_block(self, blocks, tmp_path):
        await blocks.Etcd(endpoints=["a:1"], prefix="/theirs").asave("main", overwrite=True)
        text = 'block = "rollwright-etcd/main"\nwith = {prefix = "/ours", ttl = "20s"}\n'
        site = a_site(tmp_path, f"[locks.default]\n{text}")
        use = site.loaded.file.locks["default"]
        plugin = site.registry.build("locks", use.name, use.options)

        assert (plugin.endpoints, plugin.prefix) == (("a:1",), "/ours")

    async def test_a_cluster_is_what_its_block_says(self, blocks, tmp_path):
        await blocks.Cluster(kubeconfig="none", context="blue").asave("prod", overwrite=True)
        site = a_site(tmp_path, '[clusters.prod]\nblock = "rollwright-cluster/prod"\n')

        with pytest.raises((NotFound, Unreachable), match=str(tmp_path / "none")):
            await site.cluster_named("prod")

    async def test_a_source_is_what_its_block_says(self, blocks, tmp_path):
        block = blocks.GitSource(
            url="https://git.example.com/shop", path="deploy", ca_file="/etc/ca.pem",
            token=blocks.SecretReference(file="/run/token"),
        )  # fmt: skip
        await block.asave("shop", overwrite=True)
        registry = a_site(tmp_path, "").registry
        named = {"name": "rollwright-git-source/shop", "with": {"ref": "main"}}
        source = registry.build("sources", "block", named)

        assert (source.url, source.ref, source.path) == (block.url, "main", "deploy")
        assert source.credentials.token.file == "/run/token"
        assert source.credentials.ca_file.file == "/etc/ca.pem"

    async def test_a_site_gives_each_its_own(self, blocks, tmp_path):
        from rollwright.engine.site_blocks import resolved_entry

        one = blocks.Site(
            store=blocks.Etcd(prefix="/s"), clusters={"eu": blocks.Cluster(labels={"a": "b"})}
        )
        await one.asave("whole", overwrite=True)
        block = 'block = "rollwright-site/whole"\n'
        site = a_site(tmp_path, f"[stores.default]\n{block}[clusters.eu]\n{block}")
        use = site.loaded.file.stores["default"]
        entry = await resolved_entry(site.loaded.file.clusters["eu"], "eu")

        assert site.registry.build("stores", use.name, use.options).prefix == "/s"
        assert entry.labels == {"a": "b"}

    async def test_a_secret_is_read_from_our_block(self, blocks):
        await blocks.WebhookSecret(secret="hunter2").asave("hook", overwrite=True)
        source = SecretSource(block="rollwright-webhook-secret/hook")

        assert read_secret(source, "the key") == "hunter2"

    async def test_a_secret_is_read_from_where_our_block_says(self, blocks, monkeypatch):
        monkeypatch.setenv("HOOK_KEY", "hunter3\n")
        reference = blocks.SecretReference(env="HOOK_KEY")
        await blocks.WebhookSecret(reference=reference).asave("named", overwrite=True)
        source = SecretSource(block="rollwright-webhook-secret/named")

        assert read_secret(source, "the key") == "hunter3"

    async def test_a_name_alone_is_a_secret_of_prefect(self, blocks):
        from prefect.blocks.system import Secret

        await Secret(value="hunter4").asave("plain", overwrite=True)

        assert read_secret(SecretSource(block="plain"), "the key") == "hunter4"

    async def test_the_key_of_the_site_is_read_from_a_block(self, blocks, tmp_path):
        await blocks.WebhookSecret(secret="0123456789abcdef").asave("key", overwrite=True)
        site = a_site(tmp_path, '[site]\nkey = {block = "rollwright-webhook-secret/key"}\n')

        assert site._keys.declared() == b"0123456789abcdef".hex()

    async def test_a_password_of_etcd_is_read_from_a_block(self, blocks):
        from rollwright.etcd.access import read_access
        from rollwright.etcd.options import EtcdOptions

        await blocks.WebhookSecret(secret="pass").asave("etcd", overwrite=True)
        options = EtcdOptions.model_validate(
            {"user": "u", "password": {"block": "rollwright-webhook-secret/etcd"}}
        )

        assert read_access(options).password == "pass"

    def test_a_block_that_is_not_there_is_told_with_what_to_do(self, blocks):
        with pytest.raises(NotFound, match="'rollwright-etcd/none'") as told:
            read_secret(SecretSource(block="rollwright-etcd/none"), "the key")

        assert "prefect block ls" in str(told.value.hint)

    @pytest.mark.parametrize("group", ["stores", "locks", "sources"])
    async def test_a_block_of_another_kind_is_told(self, blocks, group, tmp_path):
        await blocks.Cluster().asave("prod", overwrite=True)
        registry = a_site(tmp_path, "").registry

        with pytest.raises(NotFound, match=f"gives no {group.removesuffix('s')}") as told:
            registry.build(group, "block", {"name": "rollwright-cluster/prod"})

        assert "rollwright-" in str(told.value.hint)

    async def test_what_is_wrong_in_a_block_is_told_with_its_name(self, blocks, tmp_path):
        await blocks.Etcd(endpoints=["no such host"]).asave("wrong", overwrite=True)
        registry = a_site(tmp_path, "").registry

        with pytest.raises(InvalidSpec, match=r"block rollwright-etcd/wrong.*endpoints"):
            registry.build("stores", "block", {"name": "rollwright-etcd/wrong"})

    def test_a_use_that_names_no_block_is_told(self, tmp_path):
        with pytest.raises(InvalidSpec, match="expected TYPE/NAME of a block"):
            a_site(tmp_path, "").registry.build("stores", "block", {})

    async def test_a_block_that_holds_nothing_is_told(self, blocks):
        await blocks.WebhookSecret().asave("empty", overwrite=True)

        with pytest.raises(NotFound, match="the key: block"):
            read_secret(SecretSource(block="rollwright-webhook-secret/empty"), "the key")

    def test_a_server_that_does_not_answer_is_told(self, blocks, monkeypatch):
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with (
            temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
            pytest.raises(Unreachable, match=r"127\.0\.0\.1:9") as told,
        ):
            read_secret(SecretSource(block="rollwright-etcd/main"), "the key")

        assert "doctor" in str(told.value.hint)

    def test_without_a_server_nothing_is_started(self, blocks):
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with (
            temporary_settings(restore_defaults={PREFECT_API_URL}),
            pytest.raises(Unreachable, match="no Prefect server is configured"),
        ):
            read_secret(SecretSource(block="rollwright-etcd/main"), "the key")


def a_rollout(source):
    document = {
        "apiVersion": "rollwright.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"source": source},
    }
    return parse(document)


def test_the_source_of_a_rollout_is_a_block():
    spec = a_rollout({"block": "rollwright-git-source/shop", "with": {"ref": "main"}})

    assert (spec.source.name, spec.source.options) == (
        "block",
        {"name": "rollwright-git-source/shop", "with": {"ref": "main"}},
    )


@pytest.mark.parametrize(
    "source", [{"block": "shop"}, {"block": "a/b", "use": "git"}, {"block": 3}]
)
def test_a_block_is_named_by_type_and_name_alone(source):
    with pytest.raises(InvalidSpec, match=r"spec\.source"):
        a_rollout(source)


@pytest.mark.parametrize(
    "text",
    [
        '[stores.default]\nblock = "main"\n',
        '[locks.default]\nblock = "a/b"\nuse = "etcd"\n',
        '[clusters.a]\nblock = "b"\n',
        '[clusters.a]\nblock = "a/b"\nsandbox = true\n',
        '[feedback.a]\nblock = "a/b"\n',
    ],
)
def test_a_site_names_blocks_where_it_may(tmp_path, text):
    with pytest.raises(InvalidSpec):
        a_site(tmp_path, text)
