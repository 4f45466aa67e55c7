"""Where stores keep the installation's key, and who may read it."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys

import pytest

from rollwright.errors import ClusterError, InvalidDocument
from rollwright.stores.cluster import ClusterStore
from rollwright.stores.file import FileStore
from rollwright.stores.memory import MemoryStore

NAMESPACE = "rollwright-system"
ANOTHER_PROCESS = """
import asyncio, sys
from rollwright.stores.file import FileStore
print(asyncio.run(FileStore(path=sys.argv[1]).put_key(sys.argv[2].encode())).decode())
"""


def key_of(cluster):
    return cluster.shelf.objects["Secret", NAMESPACE, "installation-key"]


class TestFile:
    async def test_the_key_survives_reopening(self, tmp_path):
        await FileStore(path=tmp_path).put_key(b"key")

        assert await FileStore(path=tmp_path).key() == b"key"

    async def test_only_its_owner_may_read_the_key(self, tmp_path):
        await FileStore(path=tmp_path).put_key(b"key")

        assert (tmp_path / "installation.key").stat().st_mode & 0o777 == 0o600

    async def test_nothing_is_made_by_asking(self, tmp_path):
        await FileStore(path=tmp_path / "states").key()

        assert not (tmp_path / "states").exists()

    async def test_a_key_that_lost_its_content_is_refused(self, tmp_path):
        (tmp_path / "installation.key").touch()
        with pytest.raises(InvalidDocument, match="empty"):
            await FileStore(path=tmp_path).key()

    async def test_processes_at_the_same_time_keep_one_key(self, tmp_path):
        command = [sys.executable, "-c", ANOTHER_PROCESS, str(tmp_path)]
        processes = [
            subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True)
            for name in ("first", "second")
        ]
        kept = {process.communicate(timeout=60)[0].strip() for process in processes}

        assert kept == {(await FileStore(path=tmp_path).key() or b"").decode()}

    async def test_every_cluster_has_a_key_of_its_own(self, tmp_path, cluster):
        await FileStore(path=tmp_path).put_key(b"key")

        assert await FileStore(path=tmp_path).bind(cluster).key() is None


class TestMemory:
    async def test_bound_stores_share_the_key(self, cluster):
        store = MemoryStore()
        await store.bind(cluster).put_key(b"key")

        assert await store.bind(cluster).key() == b"key"

    async def test_no_key_shows_in_a_repr(self):
        store = MemoryStore()
        await store.put_key(b"hunter2")

        assert "hunter2" not in repr(store) + repr(store.__pydantic_private__)


class TestCluster:
    async def test_the_key_survives_reopening(self, cluster):
        await ClusterStore().bind(cluster).put_key(b"key")

        assert await ClusterStore().bind(cluster.another()).key() == b"key"

    async def test_the_key_cannot_be_changed_by_accident(self, cluster):
        await ClusterStore().bind(cluster).put_key(b"key")

        assert key_of(cluster)["immutable"] is True

    async def test_two_machines_keep_one_key(self, cluster):
        stores = [ClusterStore().bind(one) for one in (cluster, cluster.another())]
        kept = await asyncio.gather(*(store.put_key(b"%d" % n) for n, store in enumerate(stores)))

        assert len(set(kept)) == 1

    async def test_asking_is_one_request(self, cluster):
        await ClusterStore().bind(cluster).key()

        assert dict(cluster.requests) == {"get": 1}

    async def test_the_key_of_another_namespace_is_another(self, cluster):
        cluster.namespaces.add("other")
        await ClusterStore().bind(cluster).put_key(b"key")

        assert await ClusterStore(namespace="other").bind(cluster).key() is None

    async def test_somebody_elses_secret_of_that_name_is_no_key(self, cluster):
        await ClusterStore().bind(cluster).put_key(b"key")
        key_of(cluster)["type"] = "Opaque"
        with pytest.raises(InvalidDocument, match="not ours"):
            await ClusterStore().bind(cluster).key()

    @pytest.mark.parametrize("data", [{}, {"key": ""}, {"key": "hunter2!"}])
    async def test_a_damaged_key_is_refused_without_its_content(self, cluster, data):
        await ClusterStore().bind(cluster).put_key(b"key")
        key_of(cluster)["data"] = data
        with pytest.raises(InvalidDocument) as refused:
            await ClusterStore().bind(cluster).key()

        assert "hunter2" not in str(refused.value)

    async def test_a_refusal_quotes_no_key(self, cluster):
        def forbid(verb, *_):
            if verb == "create":
                raise ClusterError("no", status=403)

        cluster.before = forbid
        with pytest.raises(ClusterError) as refused:
            await ClusterStore().bind(cluster).put_key(b"hunter2")

        assert base64.b64encode(b"hunter2").decode() not in f"{refused.value!r} {refused.value}"
