"""KubeLoader and KubeDumper against the reader they imitate: kubectl itself, offline.

``kubectl annotate --local`` reads files, touches no cluster, and prints what it read as JSON.
Where we differ on purpose the case stands in a table with its reason.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollwright.documents import dump, load_all
from rollwright.documents.scalars import narrow
from rollwright.errors import InvalidDocument

KUBE_PROMETHEUS = Path(__file__).parents[3] / "shared/apps/kube-prometheus"


def _kubectls() -> list[Path]:
    folders = [sysconfig.get_path("scripts"), *os.get_exec_path()]
    found = (Path(folder, "kubectl") for folder in folders)
    return sorted({path.resolve() for path in found if os.access(path, os.X_OK)})


KUBECTLS = _kubectls()
pytestmark = pytest.mark.skipif(not KUBECTLS, reason="no kubectl on PATH")


@pytest.fixture(scope="module", params=KUBECTLS, ids=lambda path: path.parent.parent.name)
def kubectl(request):
    return request.param


# NB: whole numbers outside int64 are float64 in Kubernetes, and Go prints them without exponent.
_OUTPUT = json.JSONDecoder(parse_int=lambda digits: narrow(int(digits)))


def read_with_kubectl(kubectl: Path, folder: Path) -> dict[int, list[Any]]:
    """Return what kubectl reads in each file of a folder, by the number in the object's name."""
    command = [str(kubectl), "annotate", "--local", "-f", str(folder), "oracle=1", "-o", "json"]
    environment = {"HOME": str(folder), "PATH": os.defpath, "KUBECONFIG": os.devnull}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)
    read: dict[int, list[Any]] = {}
    text, offset = done.stdout.decode().strip(), 0
    while offset < len(text):
        body, end = _OUTPUT.raw_decode(text, offset)
        offset = end + 1  # kubectl puts each object on lines of its own
        read.setdefault(int(body["metadata"]["name"][1:]), []).append(_without_mark(body))
    return read


def _without_mark(body: dict[str, Any]) -> dict[str, Any]:
    annotations = body["metadata"]["annotations"]
    del annotations["oracle"]
    if not annotations:
        del body["metadata"]["annotations"]
    return body


def read_with_rollwright(text: str | bytes) -> list[Any] | None:
    try:
        return [document.value for document in load_all(text)]
    except InvalidDocument:
        return None


def differences(kubectl: Path, folder: Path, texts: Sequence[str | bytes]) -> list[int]:
    """Return the numbers of the texts that kubectl and rollwright read differently."""
    for number, text in enumerate(texts):
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{number:05}.yaml").write_bytes(content)
    theirs = read_with_kubectl(kubectl, folder)
    ours = {number: read_with_rollwright(text) for number, text in enumerate(texts)}
    return [number for number in ours if _exact(ours[number]) != _exact(theirs.get(number))]


def _exact(value) -> str:
    """Tell 1 from true and 1.5 from '1.5'."""
    return json.dumps(value, sort_keys=True)


def header(number: int) -> str:
    return f"apiVersion: example.com/v1\nkind: Thing\nmetadata: {{name: n{number}}}\n"


# Scalars

WORDS = """
y Y n N yes Yes YES yEs no No NO on On ON oN off Off OFF true True TRUE tRUE false False FALSE
~ null Null NULL nULL none None inf nan Infinity -inf NaN = << <<: ! !! * & < > =1 =~ @a `a %a a%
|a >a -a ?a :a a:b é 1é ß \uff0b1 ١٢ 1٢ v1 1Gi 100m 1,000 5% 1/2 1a a1 1e3a 0xgg 1.2.3 10.0.0.1
!foo !!str !!null !!map !!int !!binary !!bool !!float
"""
NUMBERS = """
0 -0 +0 00 1 -1 +1 1. .5 -.5 +.5 0.5 1.0 -1.0 100.00 1.50 1e3 1E3 1e+3 1e-3 1.e3 .1e3 1e 1e+ e3
-e3 +e .e1 . .. ... - -- + +- --1 ++1 -+1 00.5 01.5 001 0e0 0e5 -0.0 -0.0e0 0.0000001 1e-7
0777 0o777 0O777 -0o17 +0o17 08 09 018 0o8 0o 0x 0X 0b 0B 0x1F 0XFF 0xg -0x1F +0x1F 0b101 0B11
-0b11 +0b11 0b2 0b-1 0b+1 -0b-1 0_7 0_8 0x_1 0_x1 0_b1 0_o7 0_ 1_000 1__0 1_ _1 -_1 +_1 -_
1_.5 1._5 ._5 .5_0 .5__0 .5_ .5e1_0 .5e_1 .5_e1 1_e3 1e_3 1e3_ 1_0e1_0 -._5 -.5_0 +.5_
1234567e8 123e456 -123e456 .5e999 1e308 1e309 1e-400 5e-324 1e20 1e21 1e22 1e18 1e19
123456789012345678901 999999999999999999999 9007199254740993 9007199254740993.0
9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 +18446744073709551615 +9223372036854775808
-18446744073709551615 0xffffffffffffffff 0x7fffffffffffffff 0x8000000000000000
-0x8000000000000000 -0x8000000000000001 +0xffffffffffffffff 0xfffffffffffffffff
0o777777777777777777777 0o1777777777777777777777 0o2777777777777777777777
07777777777777777777777777 01777777777777777777777 -07777777777777777777777777
1234567890123456789.0 4611686018427387904.0 9223372036854775807.0 9223372036854774784.0
-9223372036854775808.0 0.1e1 12345678.9e1 123.456e3 1.7976931348623157e308 123456789.123
.inf .Inf .INF +.inf -.inf -.INF +.Inf .iNf .nan .NaN .NAN .Nan -.nan
"""
TIMES = """
190:20:30 12:30 1:2 12:30:45.5 -1:30 60:60 2001-12-14 2001-1-2 2001-12-14t21:59:43.10-05:00
2001-12-14T21:59:43Z 20011214 2001-12 12-14
"""
TAGGED = [
    *("!foo 1", "!foo bar", "!foo 'x'", "!!str 1", "!!str yes", "!!int 1", "!!int '1'"),
    *("!!int 1.0", "!!int x", "!!int 1e3", "!!int 0x1F", "!!int y", "!!int ' 1'", "!!int '1_0'"),
    *("!!float 1", "!!float 1.5", "!!float '1'", "!!float x", "!!float 0x10", "!!float y"),
    *("!!float 18446744073709551615", "!!float 9223372036854775807", "!!float .inf"),
    *("!!float 1e999", "!!bool y", "!!bool 'yes'", "!!bool 1", "!!bool x", "!!null null"),
    *("!!null ''", "!!null x", "!!null ~", "!!null 0", "!!binary aGVsbG8=", "!!binary aGVsbG8"),
    *("!!binary '!!'", "!!binary /w==", "!!binary 'aGVs bG8='", "!!binary ''", "!!timestamp x"),
    *("!!timestamp 2001-12-14", "!!timestamp 12", "!!seq x", "!!map x", "!!set x", "!!merge x"),
    *("!!value x", "!!omap x", "! 12", "! '12'", "! y", "! 'y'", "!<x> 1", "!foo!bar 1", "!!foo 1"),
    *("!<tag:yaml.org,2002:int> 1", "!<tag:yaml.org,2002:str> 1", "!<!foo> 1"),
]
QUOTED = [
    *("", "'y'", '"1"', "a b", "1 2", "yes no", "1 # c", "1#c", "'é'", '"\\x41"', '"\\u00e9"'),
    *('"\\U0001F600"', '"\\ud83d\\ude00"', '"\\0"', '"\\e"', '"\\/"', '"\\_"', '"\\N"', '"\\L"'),
    *('"\\P"', '"\\q"', "'it''s'", "😀", "'😀'", "\x7f", "'\x7f'", "\x85", "'a\u2028b'", "'a\tb'"),
    *("\ufeff1", "'\ufeff'", "\u00a0", "'\x01'", "\ufffe", "'\uffff'", "\ue000", "\t1", "1\t"),
]
FLOW = ["{}", "[]", "[1,y,]", "{a}", "{y}", "{1}", "{a:1}", "[a: b]", "{? a : b}", "[,]", "{,}"]
SCALARS = [*WORDS.split(), *NUMBERS.split(), *TIMES.split(), *TAGGED, *QUOTED, *FLOW]

LENIENT = {
    "!!timestamp x": "a tag that Kubernetes makes nothing of",
    "!!timestamp 12": "a tag that Kubernetes makes nothing of",
    '"\\/"': "JSON's escape, which YAML 1.2 has and go-yaml v2 has not",
}
REFUSED = {"!!binary /w==": "kubectl writes U+FFFD for bytes that are no text"}
KEYS_WITH_EXPONENT = """
.5e1_0 1_0e1_0 1234567e8 1e308 5e-324 1e20 1e21 1e22 123456789012345678901
999999999999999999999 -9223372036854775809 18446744073709551616 +18446744073709551615
+9223372036854775808 -18446744073709551615 07777777777777777777777777
-07777777777777777777777777 9007199254740993.0 1234567890123456789.0 4611686018427387904.0
9223372036854775807.0 9223372036854774784.0 -9223372036854775808.0 1e18 1e19 12345678.9e1
1.7976931348623157e308 0.0000001 1e-7 123456789.123
"""
INFINITIES = """
.inf .Inf .INF +.inf -.inf -.INF +.Inf .nan .NaN .NAN
"""
KEYS_REFUSED = {
    **REFUSED,
    **dict.fromkeys(KEYS_WITH_EXPONENT.split(), "Go prints another number than was written"),
    "!!float 9223372036854775807": "Go prints another number than was written",
    **dict.fromkeys(INFINITIES.split(), "no JSON"),
    "!!float .inf": "no JSON",
}
PLACES = {
    "value": ("v: {}\n", LENIENT | REFUSED),
    "item": ("v:\n- {}\n", LENIENT | REFUSED),
    "flow item": ("v: [ {} ]\n", LENIENT | REFUSED),
    "key": ("v:\n  {}: x\n", LENIENT | KEYS_REFUSED),
    "flow key": ("v: {{ {} : 1}}\n", LENIENT | KEYS_REFUSED),
}


@pytest.mark.parametrize("place", PLACES)
def test_scalar_is_read_as_kubectl_reads_it(kubectl, tmp_path, place) -> None:
    template, deliberate = PLACES[place]
    texts = [header(n) + template.format(scalar) for n, scalar in enumerate(SCALARS)]

    differ = differences(kubectl, tmp_path, texts)

    assert {SCALARS[number] for number in differ} == set(deliberate)


# Structures

KEYS = [
    *("v : 1", "v:1", ":v", "'v': 1", '"v": 1', "v v: 1", "v\n: 1", "? v : 1", "? v\n: a", "? v"),
    *("? |\n  v\n: 1", "? [a]\n: b", "v: {[a]: b}", "v: {{a: 1}: b}", ": v", "v: {: 1}"),
    *("v:\n  ? a\n  ? b", "v:\n  : a", "v: {a:1}", "v: {'a':1}", 'v: {"a":1}', "v: {a :1}"),
    *(f"v: {'a' * 2000}: b", f"? {'a' * 2000}\n: b", f"v: {{'{'k' * 2000}': 1}}"),
    *(f"v:\n  '{'k' * 1000}': 1", f"v:\n  {'k' * 1500}: 1", " v: 1", "v: a:", "v: a: b"),
]
DUPLICATES = ["v: {a: 1, a: 2}", "v:\n  1: a\n  '1': b\n", "v: {yes: 1, 'true': 2}"]
LATE_MERGES = ["v: &a {x: 1}\nw: {x: 2, <<: *a}", "v: &a {x: 1}\nw: {<<: *a, <<: {z: 1}}"]
MERGES = [
    *("v: &a {x: 1}\nw: {<<: *a, z: 2}", "v: &a {x: 1}\nw: {<<: *a, x: 2}", "v: <<", "v: [<<]"),
    *("v: &a {x: 1}\nw: {<<: [*a, {x: 3, z: 1}], q: 2}", "v: &a [{x: 1}]\nw: {<<: *a}"),
    *("w: {<<: {q: 1}}", "w: {<<: }", "w: {<<: 1}", "w: {<<: [1]}", "w: {<<: []}"),
    *("w: {'<<': {a: 1}}", "w: {!!merge <<: {a: 1}}", "w: {!!merge '<<': {a: 1}}"),
    *("w: {!!str <<: {a: 1}}", "w: {!foo <<: {a: 1}}", "w: {! <<: {a: 1}}"),
    *("w: {<<: {<<: {a: 1}, b: 2}, c: 3}", "w: {<<: [[{a: 1}]]}"),
    *("v: &a {x: 1}\nw: {<<: [{x: 0}, *a]}", "v: &a {x: {z: 1}}\nw: {<<: *a}\nz: {<<: *a}"),
]
ALIASES = [
    *("v: &a {x: 1}\nw: *a", "v: &a 1\nw: *a", "v: &a y\nw: *a", "v: &a 'y'\nw: *a"),
    *("&k v: 1\nw: *k", "&k v: 1\nw: {*k : 2}", "&k 1: 1\nw: *k", "v: &a [*a]", "v: *a"),
    *("v: &a {b: *a}", "v: &a 1\nw: &a 2\nx: *a", "v: [&a x, *a, &a y, *a]", "v: &a\nw: *a"),
    *("v: &a {x: 1}\nw: {*a : 1}", "v: &a !foo 1\nw: *a", "v: !foo &a 1\nw: *a"),
]
BLOCKS = [
    *("v: |\n  a\n  b\n", "v: |-\n  a\n\n", "v: |+\n  a\n\n", "v: >\n  a\n  b\n\n  c\n"),
    *("v: |2\n   a\n  b\n", "v: >-\n  a\n   b\n  c", "v: |\n\n  a", "v: |\n \n  a"),
    *("v: |  # c\n  a", "v: |1\n a", "v: |9\n a", "v: |-2\n  a", "v: |2-\n  a", "v: |\ta\n"),
    *("v: |\n\ta", "v: |\n  \ta\n", "v: >+\n  a\n\n", "v: |\n  a", "v: |\n", "v: >\n"),
    *("v: |\n  ---\n  a", "v: 'a\n  b'", "v: 'a\n\n  b'", 'v: "a\n  b"', "v: a\n  b"),
    *("v: a\n\n  b", "v: a\n b: c", "v:\n  a\n  b", 'v: "a\\\n  \\ b"', 'v: " a\n   \n b "'),
]
SEQUENCES = [
    *("v:\n- a\n- b", "v:\n  - a\n  - - b\n    - c", "v: - a", "v:\n-", "v:\n- \n- a"),
    *("v:\n- a: 1\n  b: 2\n- c", "v:\n-a", "v: [a, b,]", "v: [a\n, b]", "v: {a: 1,\n b: 2}"),
    *("v: {\n  a: 1\n}", "v: {\n}", "v: [\n]", "v: {a: 1}}", "v: [a", "v: {a", "v: 'a", 'v: "a'),
    *("v: [a]]", "v: ]", "v: ,", "v: [a b: c]", "v: {a: b: c}", "v: {a: [b, {c: d}]}"),
    *("v: {a:[1]}", "v: {a: , b: }", "v: {a, b}", "v: [a: 1, b: 2]", "v: {? a}", "v: [? a : b]"),
    *("v:\n- a\n - b", "v:\n  - a\n- b", "v:\n- a\nw: 1", "v:\n- a:\n  - b\n  c: 1", "v: - b"),
    *("v:\n- - a\n  - b\n- c", f"v: {'[' * 199}{']' * 199}", "v:\n" + "- " * 100 + "a"),
    *("v: 1\n w: 2", "v:\n   a: 1\n  b: 2", "v:\n  a: 1\n b: 2", "v: 1, 2", "v: a - b"),
]
SPACE = [
    *("\tv: 1", "v:\n\ta: 1", "v:\n  \ta: 1", "v: 1\t# c", "v:\t1", "v:\t- a", "v: {\ta: 1}"),
    *("v: {\n\ta: 1\n}", "v: [\n\t1\n]", "v: a\tb", "v:\n  a: 1\n\tb: 2", "v:\n  - \ta: 1"),
    *("# c\nv: 1 # d", "v: 1\n# c\n\n\n", "v: a#b", "v: 'a'#b", "v: 'a' #b", "v: [a #b\n]"),
    *("v: 1\r\nw: 2\r\n", "v: 1\rw: 2\r", "v: |\r\n  a\r\n  b\r\n", "v: 'a\r\n  b'"),
    *("v: 'a\u2028b'", "v: a\u2028w: b", "v: a\u0085w: b", "v: |\n  a\u2028  b\n"),
    *("v: 'a\u0085b'", "v: |\n  a\u0085  b", "v: a\u2028  b", 'v: "a\u2029b"'),
]
TAGS = [
    *("v: !", "v: ! ''", "v: ! ~", "v: !\n  a: 1", "v: ! [a]", "v: !!map {a: 1}", "v: !!seq [1]"),
    *("v: !!map [1]", "v: !!seq {a: 1}", "v: !!set {a, b}", "v: !!omap [a: 1]", "v: !a!b 1"),
    *("v: !!pairs [a: 1]", "v: !foo {a: 1}", "v: !foo [1]", "v: !!str {a: 1}", "v: !!str [1]"),
    *("v: !!int [1]", "v: !!binary [a]", "v: !!null {}", "v: !foo\n  a: 1", "v: !<> 1", "v: !<a"),
]
TEXT = [
    *('v: "\\u0041\\x42\\U00000043"', 'v: "\\ud800"', 'v: "\\t\\n\\r\\a\\b\\0\\v\\f"', "v: ''''"),
    *('v: "\\xZZ"', 'v: "\\u00"', 'v: "\ta\tb "', "v: ''", 'v: ""', 'v: "\\""', 'v: "a" b'),
    *("v: 'a': b", "v: a 'b'", "v: %", "v: ?", "v: :", "v: http://x:80/", "v: a,b", "v: --- a"),
    *("v: [http://x:80]", "v: {http://x: 1}", "v: [a:b]", "v: ...", "v: 1\n...\n"),
]
STREAMS = [
    *("v: 1\n---\n", "v: 1\n--- # c\n", "v: 1\n--- \n", "v: 1\n---\n# only\n---\n"),
    *("v: 1\n---\n\n---\n\n", "v: 1\n---\nnull\n", "v: 1\n---\n~\n"),
]
ENDED = ["v: 1\n...\nw: 2\n"]
STRUCTURES = [*KEYS, *MERGES, *ALIASES, *BLOCKS, *SEQUENCES, *SPACE, *TAGS, *TEXT, *STREAMS]
STRUCTURES_REFUSED = {
    **dict.fromkeys(DUPLICATES, "kubectl takes the last, or any, and says nothing"),
    **dict.fromkeys(LATE_MERGES, "kubectl and kustomize disagree on who wins"),
    **dict.fromkeys(ENDED, "kubectl drops what follows, and says nothing"),
}


def test_structure_is_read_as_kubectl_reads_it(kubectl, tmp_path) -> None:
    cases = [*STRUCTURES, *STRUCTURES_REFUSED]
    texts = [header(n) + case for n, case in enumerate(cases)]

    differ = differences(kubectl, tmp_path, texts)

    assert {cases[number] for number in differ} == set(STRUCTURES_REFUSED)


# JSON

JSON = """
1|1.0|1e3|12345678901234567890|9223372036854775808|-0|-0.0|0.1|1E+2|1e400|1234567890123456789.0
1e18|1e19|1e20|1e21|null|true|[]|{}|"\\/"|"\\u0000"|"\\ud83d\\ude00"|"\x7f"|"\ufeff"|"\uffff"
{"<<":{"a":1}}|{"1":{"yes":"no"}}|[1,2,{"a":[]}]|"y"|"1e3"|-1.5e-9|\t1
"""
JSON_REFUSED = {
    '"\\ud800"': "kubectl writes U+FFFD for half of a surrogate pair",
    '{"a":1,"a":2}': "kubectl takes the last, and says nothing",
}


def test_json_is_read_as_kubectl_reads_it(kubectl, tmp_path) -> None:
    cases = [*re.split(r"[|\n]", JSON.strip("\n")), *JSON_REFUSED]
    start = '{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"n%d"},"v":%s}'
    texts = [start % (n, case) for n, case in enumerate(cases)]

    differ = differences(kubectl, tmp_path, texts)

    assert {cases[number] for number in differ} == set(JSON_REFUSED)


# Encodings and streams

OBJECT = '{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"n%d"}}'
WHOLE_TEXTS = {
    "byte order mark": lambda n: b"\xef\xbb\xbf" + header(n).encode(),
    "byte order mark and JSON": lambda n: b"\xef\xbb\xbf" + (OBJECT % n).encode(),
    "two byte order marks": lambda n: b"\xef\xbb\xbf" * 2 + header(n).encode(),
    "mark after a separator": lambda n: f"{header(n)}---\n\ufeff{header(n)}",
    "UTF-16, little end": lambda n: ("\ufeff" + header(n)).encode("utf-16-le"),
    "UTF-16, big end": lambda n: ("\ufeff" + header(n)).encode("utf-16-be"),
    "NUL": lambda n: header(n) + "v: a\0b",
    "version directive 1.1": lambda n: "%YAML 1.1\n---\n" + header(n),
    "version directive 1.2": lambda n: "%YAML 1.2\n---\n" + header(n),
    "tag directive": lambda n: "%TAG ! tag:x,2000:\n---\n" + header(n),
    "unknown directive": lambda n: "%FOO bar\n---\n" + header(n),
    "two documents": lambda n: f"{header(n)}v: 1\n---\n{header(n)}v: 2",
    "empty documents": lambda n: f"--- \n---\n{header(n)}v: 1\n---\n---\n",
    "commented separators": lambda n: f"--- # x\n{header(n)}--- # y\n{header(n)}",
    "comment first": lambda n: f"# c\n---\n{header(n)}",
    "JSON values in a row": lambda n: (OBJECT % n) * 2,
    "JSON lines": lambda n: (OBJECT % n + "\n") * 2,
    "JSON after space": lambda n: "\n  " + OBJECT % n,
    "JSON after a comment": lambda n: "# c\n" + OBJECT % n,
    "JSON after YAML": lambda n: f"{header(n)}\n---\n{OBJECT % n}",
}
INVALID_BYTES = {
    "lone byte": lambda n: header(n).encode() + b"v: \xff",
    "cut character": lambda n: header(n).encode() + b"v: \xe2\x82",
    "overlong": lambda n: header(n).encode() + b"v: \xc0\xaf",
    "encoded surrogate": lambda n: header(n).encode() + b"v: \xed\xa0\x80",
}


def test_whole_text_is_read_as_kubectl_reads_it(kubectl, tmp_path) -> None:
    names = [*WHOLE_TEXTS, *INVALID_BYTES]
    makers = [*WHOLE_TEXTS.values(), *INVALID_BYTES.values()]

    differ = differences(kubectl, tmp_path, [make(n) for n, make in enumerate(makers)])

    # kubectl writes U+FFFD for bytes that are not UTF-8; we refuse them.
    assert {names[number] for number in differ} == set(INVALID_BYTES)


# Writing

NASTY = [
    *(scalar for scalar in SCALARS if not re.search(r"[\ufffe\uffff]", scalar)),
    *("a\nb", "a\nb\n", "\na", "\n", "\n\n", " a\n b", "a \nb", "a\n ", "\ta\n", "a\r\nb", "a\rb"),
    *("a\x85b", "a\u2028b\n", "a\u2029", "---", "---\na", "...", "# c", "a # c", "a: b", "- a"),
    *(" ", "  a", "a ", "\t", "'", '"', "''", "\\", "a\\n", "\x00", "\x1b[0m", "\x7f", "\x9f"),
    *("😀\n", "x" * 500, "x " * 300, "k" * 2000, "{{ .Values.x }}", "{a", "[a", "*a", "&a", "!a"),
    *("%a", "@a", "`a", "|", ">", "?", "? a", ":", ",", "a,b", "[]", "{}", "~", "=", "<<"),
]
HEAD = {"apiVersion": "example.com/v1", "kind": "Thing"}


def read_back(kubectl: Path, folder: Path, values: list[Any]) -> list[Any]:
    """Dump values, let kubectl read them, and return what it read."""
    bodies = [{**HEAD, "metadata": {"name": f"n{n}"}, "v": v} for n, v in enumerate(values)]
    for number, body in enumerate(bodies):
        (folder / f"{number:05}.yaml").write_text(dump(body), newline="")
    read = read_with_kubectl(kubectl, folder)
    return [read[number][0]["v"] for number in range(len(values))]


@pytest.mark.parametrize(
    "shape",
    [lambda s: s, lambda s: [s, [s]], lambda s: {s: s}, lambda s: {"a": {s: [{s: s}]}}],
    ids=["value", "item", "key", "deep"],
)
def test_kubectl_reads_what_was_dumped(kubectl, tmp_path, shape) -> None:
    values = [shape(text) for text in NASTY]

    assert read_back(kubectl, tmp_path, values) == values


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False).map(narrow),
        st.sampled_from(NASTY),
        _TEXT,
    ),
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT | st.sampled_from(NASTY), inner),
    max_leaves=15,
)


@given(values=st.lists(_JSON, min_size=40, max_size=60))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_kubectl_reads_any_json_that_was_dumped(kubectl, tmp_path_factory, values) -> None:
    read = read_back(kubectl, tmp_path_factory.mktemp("dumped"), values)

    assert _exact(read) == _exact(values)


@pytest.mark.skipif(not KUBE_PROMETHEUS.is_dir(), reason="kube-prometheus is not at hand")
def test_kube_prometheus_is_read_as_kubectl_reads_it(kubectl) -> None:
    paths = sorted(KUBE_PROMETHEUS.rglob("*.yaml"))
    command = [kubectl, "annotate", "--local", "-R", "-f", KUBE_PROMETHEUS, "oracle=1", "-ojson"]
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=300, check=True)
    text = re.sub(r"^}\s*^{", "},{", done.stdout.decode(), flags=re.MULTILINE)
    theirs = [_without_mark(body) for body in _OUTPUT.decode(f"[{text}]")]

    ours = [document.value for path in paths for document in load_all(path.read_bytes())]

    assert sorted(map(_exact, _items(ours))) == sorted(map(_exact, theirs))


def _items(bodies: list[Any]) -> list[Any]:
    return [item for body in bodies for item in body.get("items", [body])]
