"""The subset of JSONPath that annotations and rule files may use."""

from __future__ import annotations

import pytest

from rollwright.rollouts.health.jsonpath import parse_path

BODY = {
    "metadata": {"labels": {"a.b/c": "x"}, "annotations": {"a.b": "y"}},
    "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443, "tls": True, "name": "a'b"}]},
    "status": {"phase": "Running", "map": {"k": 1, "l": 2}},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{.status.phase}", ["Running"]),
        ("$.status.phase", ["Running"]),
        ("status.phase", ["Running"]),
        (".spec.ports[0].port", [80]),
        (".spec.ports[-1].port", [443]),
        (".spec.ports[2].port", []),
        (".spec.ports[*].port", [80, 443]),
        (".status.map.*", [1, 2]),
        (".status.phase[*]", []),
        (".status.phase[0]", []),
        (".status.phase.x", []),
        (".metadata.labels['a.b/c']", ["x"]),
        ('.metadata.labels["a.b/c"]', ["x"]),
        (r".metadata.annotations.a\.b", ["y"]),
        ('.spec.ports[?(@.name=="http")].port', [80]),
        (".spec.ports[?(@.name!='http')].port", [443]),
        (r".spec.ports[?(@.name=='a\'b')].port", [443]),
        (".spec.ports[?(@.port==443)].port", [443]),
        (".spec.ports[?(@.tls==true)].port", [443]),
        (".status[?(@.phase=='x')]", []),
        ("{}", [BODY]),
    ],
)
def test_a_path_leads_to_its_values(path, found):
    assert parse_path(path).find(BODY) == found


@pytest.mark.parametrize("path", [".a[", "..a", ".a[0:2]", ".a[?(@.b)]", ".a[?(1==1)]", ".a b"])
def test_a_path_beyond_the_subset_is_refused_when_it_is_read(path):
    with pytest.raises(ValueError, match="no JSONPath that is supported here"):
        parse_path(path)
