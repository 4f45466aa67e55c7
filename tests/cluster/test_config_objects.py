"""Live objects of a real cluster as values of a rollout."""

from __future__ import annotations

import pytest

from rollwright import library
from rollwright.errors import InvalidManifests, InvalidSpec, Refused
from rollwright.plugins.contracts import PatchForm, PatchRequest
from rollwright.rollouts.manifest import ObjectRef

MAIN = """
local c = import 'generic-operator/config';
{objects: {a: {
  apiVersion: 'v1', kind: KIND, metadata: {name: 'made'}, [FIELD]: {text: TEXT},
}}}
"""


@pytest.fixture
async def given(shop, make):
    """Objects of somebody else in the namespace; returns a declaration of what is read."""
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"},
        "stringData": {"password": "hunter2-hunter2"},
    }  # fmt: skip
    shop.write(make.config("settings", color="blue"), secret)
    await shop.rollout()
    shop.drop("settings", "login")

    def declare(config, text, kind="ConfigMap", field="data"):
        main = MAIN.replace("KIND", repr(kind)).replace("FIELD", repr(field)).replace("TEXT", text)
        (shop.manifests / "main.jsonnet").write_text(main)
        render = {"use": "jsonnet", "with": {"entrypoint": "main.jsonnet"}}
        shop.declare(config=config, render=render, prune={"enabled": False})

    return declare


def objects(kind, **more):
    return {"objects": {"apiVersion": "v1", "kind": kind, "as": "found", **more}}


async def test_a_live_object_gives_values(given, shop):
    given([objects("ConfigMap", name="settings")], "c.found.data.color")
    plan = await shop.plan()
    [made] = [one for one in plan.changes if one.ref.name == "made"]

    assert made.wanted.body["data"] == {"text": "blue"}


async def test_fields_select_live_objects(given, shop):
    entry = objects("ConfigMap", fieldSelector="metadata.name=settings")
    given([entry], "std.toString(std.length(c.found))")
    plan = await shop.plan()
    [made] = [one for one in plan.changes if one.ref.name == "made"]

    assert made.wanted.body["data"] == {"text": "1"}


async def test_a_selector_that_the_server_refuses_is_told(given, shop):
    given([objects("ConfigMap", fieldSelector="data.color=blue")], "'x'")
    with pytest.raises(InvalidSpec) as told:
        await shop.plan()

    assert "spec.config[0].objects: ConfigMap in" in str(told.value)
    assert '"data.color" is not a known field selector' in str(told.value)


async def test_the_value_of_a_secret_goes_into_a_secret_only(given, shop):
    text = "std.base64Decode(c.found.data.password)"
    given([objects("Secret", name="login")], text)
    with pytest.raises(InvalidManifests) as told:
        await shop.plan()
    given([objects("Secret", name="login")], text, "Secret", "stringData")
    plan = await shop.plan()

    assert "hunter2" not in str(told.value)
    assert [one.ref.kind for one in plan.changes if one.ref.name == "made"] == ["Secret"]


async def test_an_object_that_is_missing_refuses_the_plan(given, shop):
    given([objects("ConfigMap", name="nothing")], "'x'")
    with pytest.raises(InvalidSpec, match=r"no ConfigMap .*/nothing in cluster"):
        await shop.plan()


async def test_a_saved_plan_notices_a_change(given, shop, tmp_path):
    given([objects("ConfigMap", name="settings")], "'x'")
    file = tmp_path / "plan.json"
    await library.save_plan(shop.folder, file)
    ref = ObjectRef("", "ConfigMap", shop.name, "settings")
    async with shop.cluster() as cluster:
        change = {"data": {"color": "red"}}
        await cluster.patch(
            PatchRequest(ref=ref, api_version="v1", form=PatchForm.MERGE, content=change)
        )
    with pytest.raises(Refused, match=r"spec\.config\[0\]\.objects .*was changed"):
        await library.rollout(shop.folder, plan=file)
