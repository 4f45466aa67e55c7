"""What kustomize complains of, without the values that it quotes."""

from __future__ import annotations

import shutil
import traceback

import pytest

from rollwright.errors import RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.kustomize import Kustomize
from rollwright.renderers.quotes import without_secrets

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {a: hunter2}\n"
PATCH = "resources: [s.yaml]\npatches:\n- target: {kind: Secret}\n  patch: |-\n    "
MERGE = (
    "resources: [s.yaml]\npatchesStrategicMerge:\n- |-\n    apiVersion: v1\n    kind: Secret\n"
    "    metadata: {nam: x}\n    stringData: {a: hunter2}"
)
REPLACEMENT = (
    "resources: [s.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.a, "
    "options: {delimiter: '-', index: 3}}\n"
    "  targets: [{select: {kind: Secret}, fieldPaths: [metadata.x]}]"
)

needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not on PATH")


@needs_kubectl
@pytest.mark.parametrize(
    "kustomization",
    [
        "secretGenerator:\n- {name: a, literals: [hunter2]}",
        'secretGenerator:\n- {name: a, literals: [other, "b=hunter2"]}',
        PATCH + "stringData: {a: hunter2: b}",
        PATCH + "stringData: [hunter2]",
        PATCH + "- {op: nope, path: /stringData/a, value: hunter2}",
        PATCH + "- {op: test, path: /stringData/b, value: hunter2}",
        MERGE,
        REPLACEMENT,
        "resources: [bad.yaml]",
    ],
)
async def test_no_complaint_quotes_a_value(tmp_path, kustomization):
    (tmp_path / "kustomization.yaml").write_text(kustomization)
    (tmp_path / "s.yaml").write_text(SECRET)
    (tmp_path / "bad.yaml").write_text(SECRET.replace("hunter2", "hunter2: x"))
    request = RenderRequest(checkout=Checkout(root=tmp_path, revision="r1"))
    with pytest.raises(RenderError) as refused:
        await Kustomize().render(request)

    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.yaml": SECRET}, "value *** is bad"),
        ({"a.yaml": SECRET.replace("stringData: {a: hunter2}", "data: {a: aHVudGVyMg==}")}, "***"),
        ({"a.yaml": f"kind: List\nitems:\n- {{{SECRET.replace(chr(10), ', ')}}}\n"}, "***"),
        ({"a.yaml": SECRET.replace("hunter2", "hunter2: x")}, "***"),
        ({"a.yaml": SECRET.replace("Secret", "ConfigMap")}, "value hunter2 is bad"),
        ({"a.txt": SECRET}, "value hunter2 is bad"),
        ({}, "value hunter2 is bad"),
    ],
)
def test_values_are_found_in_the_tree(tmp_path, files, told):
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert told in without_secrets("value hunter2 is bad", tmp_path)
