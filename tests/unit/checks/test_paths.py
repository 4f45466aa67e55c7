"""JSONPath as Kubernetes has it."""

from __future__ import annotations

import pytest

from rollwright.checks.paths import read_trail

BODY = {
    "a": {"b": 1, "x.y": 2, "name": "outer", "empty": None},
    "items": [
        {"name": "p", "n": 1, "ready": True, "inner": {"name": "deep"}},
        {"name": "q", "n": 2, "ready": False, "limit": 2},
        {"name": "r", "n": 3, "text": "z]"},
    ],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{.a.b}", [1]),
        (".a.b", [1]),
        ("a.b", [1]),
        ("{$.a.b}", [1]),
        (r"{.a.x\.y}", [2]),
        ("{.a['x.y']}", [2]),
        ("{.a['b']}", [1]),
        ("{.items[0].name}", ["p"]),
        ("{.items[-1].name}", ["r"]),
        ("{.items[9].name}", []),
        ("{.items[*].n}", [1, 2, 3]),
        ("{.items[-1:].name}", ["r"]),
        ("{.items[0:2].name}", ["p", "q"]),
        ("{.items[1:].n}", [2, 3]),
        ("{.items[::2].n}", [1, 3]),
        ("{.items[0,2].name}", ["p", "r"]),
        ("{.a['b','x.y']}", [1, 2]),
        ("{..name}", ["outer", "p", "deep", "q", "r"]),
        ("{.items..name}", ["p", "deep", "q", "r"]),
        ("{.items[0]..name}", ["p", "deep"]),
        ("{..inner.name}", ["deep"]),
        ("{.a..[0]}", []),
        ('{.items[?(@.name=="q")].n}', [2]),
        ("{.items[?(@.name == 'q')].n}", [2]),
        ('{.items[?(@.name!="q")].n}', [1, 3]),
        ("{.items[?(@.n>1)].name}", ["q", "r"]),
        ("{.items[?(@.n >= 2)].name}", ["q", "r"]),
        ("{.items[?(@.n<2)].name}", ["p"]),
        ("{.items[?(@.n<=1.5)].name}", ["p"]),
        ("{.items[?(@.limit)].name}", ["q"]),
        ("{.items[?(@.n==@.limit)].name}", ["q"]),
        ("{.items[?(@.ready==true)].name}", ["p"]),
        ("{.items[?(@.n==true)].name}", []),
        ("{.items[?(@.n=='1')].name}", []),
        ("{.items[?(@.name>1)].name}", []),
        ("{.items[?(@.inner.name=='deep')].name}", ["p"]),
        ("{.items[?(@.text=='z]')].n}", [3]),
        ("{.items[?(@.missing!='x')].n}", []),
        ("{.a.b.c}", []),
        ("{.a.empty}", [None]),
        ("{.items.name}", []),
    ],
)
def test_leads_to_what_kubernetes_finds(path, found) -> None:
    assert read_trail(path).find(BODY) == found


@pytest.mark.parametrize(
    "path",
    [
        "",
        "{}",
        "{.}{.a}",
        "{.a}{.b}",
        "text {.a}",
        "{range .items[*]}{.name}{end}",
        "{.a[}",
        "{.a['b}",
        "{.a]}",
        "{.items[a]}",
        "{.items[::0]}",
        "{.items[?(@.n==q)]}",
        "{.items[?(.n==1)]}",
        "{.items[?()]}",
        "{.a b}",
        "{range .a}",
        "{" + ".a" * 300 + "}",
    ],
)
def test_what_is_none_is_refused(path) -> None:
    with pytest.raises(ValueError, match=r"JSONPath|expected a path"):
        read_trail(path)
