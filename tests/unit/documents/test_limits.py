"""Text that is made to hurt: refused early, never a crash."""

from __future__ import annotations

import pytest

from rollwright.documents import Limits, ambiguities, load_all
from rollwright.errors import InvalidDocument

DEEP = {
    "flow sequences": "[" * 100_000,
    "closed flow sequences": "[" * 100_000 + "]" * 100_000,
    "flow mappings": "{a: " * 100_000,
    "flow keys": "{" * 100_000,
    "flow question marks": "[? " * 100_000,
    "lines of flow": "[\n" * 100_000,
    "block sequences": "- " * 100_000 + "a",
    "block mappings": "".join(f"{' ' * depth}a:\n" for depth in range(2_000)),
    "block keys": "? " * 100_000 + "a",
    "JSON objects": '{"a":' * 100_000,
    "JSON arrays": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
    "JSON below Python's limit": '{"a":' + "[" * 300 + "]" * 300 + "}",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_nesting_is_refused(text) -> None:
    with pytest.raises(InvalidDocument, match=r":1:|:\d+:\d+: nested deeper than 200 levels"):
        load_all(text)


@pytest.mark.parametrize("text", [DEEP["flow sequences"], DEEP["block mappings"]])
def test_lint_refuses_deep_nesting(text) -> None:
    with pytest.raises(InvalidDocument):
        ambiguities(text)


@pytest.mark.parametrize("name", ["x.yaml", "x.json"])
def test_depth_counts_collections_alike(name) -> None:
    limits = Limits(depth=3)
    load_all("[[[1]]]", name=name, limits=limits)

    with pytest.raises(InvalidDocument, match="nested deeper than 3 levels"):
        load_all("[[[[]]]]", name=name, limits=limits)


def laughs(first: str, more: str, generations: int) -> str:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {more.replace('@', f'*a{n - 1}')}" for n in range(1, generations)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        laughs("[x, x, x, x, x, x, x, x, x]", "[@, @, @, @, @, @, @, @, @]", 12),
        laughs("{x: 1}", "{<<: @, k: @, l: @}", 60),
        laughs("[x]", "{a: @, b: @}", 60),
    ],
    ids=["sequences", "merges", "mappings"],
)
def test_aliases_are_counted_before_they_are_copied(text) -> None:
    with pytest.raises(InvalidDocument, match="more than 10,000 nodes"):
        load_all(text, limits=Limits(nodes=10_000))


def test_aliases_cannot_nest_deeper_than_text() -> None:
    text = laughs("[[[x]]]", "[[[@]]]", 5)

    with pytest.raises(InvalidDocument, match="nested deeper than 8 levels"):
        load_all(text, limits=Limits(depth=8))


@pytest.mark.parametrize(
    "text",
    ["- \n" * 2_000, "[" + "1," * 2_000 + "]", "".join(f"k{n}: 1\n" for n in range(600))],
    ids=["lines", "flow", "keys"],
)
def test_too_many_nodes_are_refused(text) -> None:
    with pytest.raises(InvalidDocument, match="more than 1,000 nodes"):
        load_all(text, limits=Limits(nodes=1_000))


def test_too_many_json_nodes_are_refused() -> None:
    with pytest.raises(InvalidDocument, match=r"x.json:1:1: more than 1,000 nodes"):
        load_all(f"[{'1,' * 2_000}1]", name="x.json", limits=Limits(nodes=1_000))


@pytest.mark.parametrize("name", ["x.yaml", "x.json"])
def test_too_many_documents_are_refused(name) -> None:
    text = "{}\n" * 20 if name == "x.json" else "---\n" * 20

    with pytest.raises(InvalidDocument, match="more than 10 documents"):
        load_all(text, name=name, limits=Limits(documents=10))


@pytest.mark.parametrize("text", ["x" * 11, b"x" * 11, "é" * 6], ids=["str", "bytes", "UTF-8"])
def test_size_is_counted_in_bytes(text) -> None:
    with pytest.raises(InvalidDocument, match="larger than 10 bytes"):
        load_all(text, limits=Limits(size=10))


@pytest.mark.parametrize(
    "text",
    [
        "1" * 2**20,
        "0" + "7" * 2**20,
        "0x" + "f" * 2**20,
        "." + "1" * 2**20,
        ".1" + "_1" * 2**19 + "x",
        "1e" + "9" * 2**20,
        "!!float " + "1" * 2**20,
    ],
    ids=lambda text: text[:9],
)
def test_huge_numbers_are_texts_or_floats(text) -> None:
    try:
        (document,) = load_all(f"a: {text}")
    except InvalidDocument:
        return

    assert isinstance(document.value["a"], (str, int, float))


@pytest.mark.parametrize("digits", ["1" * 10_000, "-" + "1" * 10_000, "1." + "1" * 10_000])
def test_huge_json_numbers_are_refused_or_floats(digits) -> None:
    try:
        (document,) = load_all(f'{{"a": {digits}}}', name="x.json")
    except InvalidDocument:
        return

    assert isinstance(document.value["a"], float)


@pytest.mark.parametrize(
    "text",
    [
        *("%YAML 1.1\n" * 1_000, "%FOO\n" * 1_000, "\t" * 10_000, "\0" * 10_000, "&" * 10_000),
        *(
            "*" * 10_000,
            "," * 10_000,
            "a: '" + "x\n" * 10_000,
            'a: "\\',
            "a: !<",
            "!!",
            "{",
            "- -\t-",
        ),
        *("&a" * 1_000 + " x", "\ud800" * 100, "\ufffe", "\x1b[31m", "a: &a {<<: *a}", "\ufeff\0"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_broken_text_is_refused(text) -> None:
    with pytest.raises(InvalidDocument, match=r"^<text>:"):
        load_all(text)
