"""A hundred inputs that are made to hurt: each is refused by name, and nothing of it happens.

No input reads or writes outside of its tree, none runs a program, none outlives its time; nothing
is left behind, neither a process nor a file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import InvalidDocument, InvalidManifests, RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.jinja.renderer import Jinja
from rollwright.renderers.jsonnet import Jsonnet
from rollwright.renderers.plain import Plain
from rollwright.renderers.tree.renderer import Tree

SECONDS = 20
ENDLESS_SECONDS = 1.5
ENDLESS = frozenset({
    "jsonnet endless", "jsonnet endless rust", "jsonnet tail calls", "jsonnet doubling",
    "jinja loops", "jinja doubling", "jinja indent",
})  # fmt: skip
"""What only its time ends, or would need much of it."""

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
KINDS: Mapping[str, Any] = {"jsonnet": Jsonnet, "jinja": Jinja, "plain": Plain, "tree": Tree}
MAIN = {"jsonnet": "main.jsonnet", "jinja": "a.yaml", "plain": "a.yaml", "tree": "a.yaml"}
PASSWD = "root:"


@dataclass(frozen=True)
class Case:
    """One input: the main file, others, links, and what the message must say."""

    kind: str
    text: str | bytes
    says: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    make: Callable[[Path], None] | None = None

    @property
    def main(self) -> str:
        return self.name or MAIN[self.kind]


def jsonnet(text: str | bytes, says: str = "main.jsonnet", **more: Any) -> Case:
    return Case("jsonnet", text, says, **more)


def jinja(text: str | bytes, says: str = "a.yaml", **more: Any) -> Case:
    return Case("jinja", text, says, **more)


def plain(text: str | bytes, says: str = "a.yaml", **more: Any) -> Case:
    return Case("plain", text, says, **more)


def tree(text: str | bytes, says: str = "a.yaml", **more: Any) -> Case:
    return Case("tree", text, says, **more)


def script(text: str, says: str = ".kubernator.py:1", **more: Any) -> Case:
    return Case("tree", text, says, name=".kubernator.py", **more)


def bomb(levels: int = 9) -> str:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    names = "abcdefghijkl"
    for now, before in zip(names[1:levels], names, strict=False):
        lines.append(f"{now}: &{now} [{','.join([f'*{before}'] * 10)}]")
    return "\n".join(lines)


def a_pipe(root: Path) -> None:
    os.mkfifo(root / "pipe.yaml")


def a_chain(root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("three")
    (root / "three").symlink_to("/etc/passwd")


def a_huge_file(root: Path) -> None:
    with (root / "big.libsonnet").open("wb") as file:
        file.truncate(65 * 2**20)


def a_huge_template(root: Path) -> None:
    with (root / "b.yaml").open("wb") as file:
        file.truncate(5 * 2**20)


def a_huge_manifest(root: Path) -> None:
    with (root / "b.yaml").open("wb") as file:
        file.truncate(70 * 2**20)


CONSTRUCTORS = "!!python/object/apply:os.system ['touch CANARY']"
SAID = "couldn't open import"

CASES: Mapping[str, Case] = {
    # jsonnet: what may be read
    "jsonnet absolute": jsonnet("import '/etc/passwd'", f"main.jsonnet:1: {SAID}"),
    "jsonnet absolute text": jsonnet("\nimportstr '/etc/passwd'", f"main.jsonnet:2: {SAID}"),
    "jsonnet absolute bytes": jsonnet("importbin '/etc/shadow'", SAID),
    "jsonnet parent": jsonnet("importstr '../../../../../../etc/passwd'", "leads out"),
    "jsonnet dotted": jsonnet("importstr './././../CANARY'", SAID),
    "jsonnet backslashes": jsonnet("importstr '..\\\\..\\\\etc\\\\passwd'", SAID),
    "jsonnet encoded": jsonnet("importstr '%2e%2e/%2e%2e/etc/passwd'", SAID),
    "jsonnet escaped": jsonnet("importstr '\\u002e\\u002e/\\u002e\\u002e/etc/passwd'", SAID),
    "jsonnet url": jsonnet("import 'https://127.0.0.1:9/x.libsonnet'", SAID),
    "jsonnet file url": jsonnet("importstr 'file:///etc/passwd'", SAID),
    "jsonnet home": jsonnet("importstr '~/.ssh/id_rsa'", SAID),
    "jsonnet null": jsonnet("importstr 'a\\u0000b'", SAID),
    "jsonnet long name": jsonnet(f"importstr '{'a' * 5000}'", SAID),
    "jsonnet link": jsonnet("importstr 'l'", "leads out", links={"l": "/etc/passwd"}),
    "jsonnet link chain": jsonnet("importstr 'one'", "leads out", make=a_chain),
    "jsonnet link folder": jsonnet("importstr 'l/passwd'", "leads out", links={"l": "/etc"}),
    "jsonnet link loop": jsonnet("importstr 'l'", SAID, links={"l": "l"}),
    "jsonnet proc": jsonnet("importstr 'l'", "leads out", links={"l": "/proc/self/environ"}),
    "jsonnet device": jsonnet("importstr 'l'", "leads out", links={"l": "/dev/zero"}),
    "jsonnet pipe": jsonnet("importstr 'pipe.yaml'", SAID, make=a_pipe),
    "jsonnet vendor link": jsonnet("import 'x'", "leads out of", links={"vendor": "/etc"}),
    "jsonnet library folder": jsonnet("{}", "leads out", options={"jpaths": ["../"]}),
    "jsonnet entrypoint": jsonnet("{}", "leads out", options={"entrypoint": "../main.jsonnet"}),
    "jsonnet entrypoint link": jsonnet(
        "{}", "leads out", links={"l.jsonnet": "/etc/passwd"}, options={"entrypoint": "l.jsonnet"}
    ),
    "jsonnet glob link": jsonnet(
        "{}", "l.jsonnet", links={"l.jsonnet": "/etc/passwd"}, options={"entrypoint": "*.jsonnet"}
    ),
    "jsonnet huge file": jsonnet("importstr 'big.libsonnet'", "larger than", make=a_huge_file),
    "jsonnet not text": jsonnet(b"\xff\xfe\x00", "main.jsonnet"),
    "jsonnet bundler path": jsonnet(
        "{}", "jsonnetfile.json", files={"jsonnetfile.json":
        '{"dependencies": [{"source": {"local": {"directory": "a/.."}}}]}'}
    ),
    "jsonnet bundler bomb": jsonnet("{}", "jsonnetfile.json", files={"jsonnetfile.json": "[" * 5000}),
    # jsonnet: what ends
    "jsonnet endless": jsonnet("local f(n) = if n == 0 then 0 else f(n-1) + f(n-1); f(70)"),
    "jsonnet endless rust": jsonnet(
        "local f(n) = if n == 0 then 0 else f(n-1) + f(n-1); f(70)", options={"engine": "rjsonnet"}
    ),
    "jsonnet tail calls": jsonnet("local f(n) = f(n + 1) tailstrict; f(1)", "jsonnet main.jsonnet"),
    "jsonnet recursion": jsonnet("local f(n) = 1 + f(n + 1); f(1)", "main.jsonnet:1: max stack"),
    "jsonnet deep recursion": jsonnet(
        "local f(n) = 1 + f(n + 1); f(1)", "max stack", options={"maxStack": 20000}
    ),
    "jsonnet endless object": jsonnet("local o = {a: o}; o"),
    "jsonnet import of itself": jsonnet("import 'main.jsonnet'", "main.jsonnet"),
    "jsonnet parentheses": jsonnet("(" * 100_000, "jsonnet"),
    "jsonnet brackets c": jsonnet("[" * 100_000, options={"engine": "jsonnet"}),
    "jsonnet brackets rust": jsonnet("[" * 3000 + "]" * 3000, options={"engine": "rjsonnet"}),
    "jsonnet repeat": jsonnet("std.repeat('x', 10000000000)"),
    "jsonnet range": jsonnet("std.range(0, 1000000000000)"),
    "jsonnet array": jsonnet("std.makeArray(1000000000000, function(i) i)"),
    "jsonnet doubling": jsonnet(
        "local f(n, s) = if n == 0 then s else f(n - 1, s + s); [f(45, 'xxxxxxxx')]", "jsonnet"
    ),
    "jsonnet format": jsonnet("'%1000000000d' % 1"),
    "jsonnet number": jsonnet("1e309"),
    "jsonnet environment": jsonnet("std.extVar('PATH')", "main.jsonnet:1: Undefined"),
    "jsonnet native": jsonnet("std.native('exec')('touch CANARY')"),
    "jsonnet no object": jsonnet("{a: 'text'}"),
    # jinja: ways out of the sandbox
    "jinja classes": jinja("{{ ''.__class__.__mro__[1].__subclasses__() }}", "a.yaml:1: "),
    "jinja globals": jinja(
        "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}", "a.yaml:1: "
    ),
    "jinja joiner": jinja("{{ joiner.__init__.__globals__ }}", "a.yaml:1: "),
    "jinja attr": jinja("\n{{ ''|attr('__class__')|attr('__mro__') }}", "a.yaml:2: "),
    "jinja attr joined": jinja("{{ ''|attr(['__cla','ss__']|join) }}", "a.yaml:1: "),
    "jinja brackets": jinja("{{ ''['__class__']['__mro__'] }}", "a.yaml:1: "),
    "jinja hex": jinja("{{ ''['\\x5f\\x5fclass\\x5f\\x5f'].__mro__ }}", "a.yaml:1: "),
    "jinja format": jinja("{{ '{0.__class__.__mro__}'.format(1) }}", "a.yaml:1: "),
    "jinja format map": jinja("{{ '{a.__class__}'.format_map({'a': 1}) }}", "a.yaml:1: "),
    "jinja format by attr": jinja("{{ ('{0.__class__}'|attr('format'))(1) }}", "a.yaml:1: "),
    "jinja map": jinja("{{ ['']|map(attribute='__class__')|list }}", "a.yaml:1: "),
    "jinja self": jinja("{{ self.__init__.__globals__ }}", "a.yaml:1: "),
    "jinja template": jinja("{{ self._TemplateReference__context }}", "a.yaml:1: "),
    "jinja macro": jinja("{% macro m() %}{% endmacro %}{{ m.__code__ }}", "a.yaml:1: "),
    "jinja generator": jinja("{{ (values|map('upper')).gi_frame.f_back }}", "a.yaml:1: "),
    "jinja loop": jinja("{% for a in [1] %}{{ loop.__class__ }}{% endfor %}", "a.yaml:1: "),
    "jinja namespace": jinja("{{ namespace.__call__.__globals__ }}", "a.yaml:1: "),
    "jinja config": jinja("{{ config.from_object('os') }}", "a.yaml:1: 'config' is undefined"),
    "jinja import": jinja("{% import 'os' as os %}{{ os.system('touch CANARY') }}", "a.yaml:1: "),
    "jinja change": jinja("{% set x = [] %}{{ x.append(1) }}", "a.yaml:1: "),
    "jinja filter of values": jinja("{{ values | to_json.__globals__ }}", "a.yaml:1: "),
    # jinja: what may be read
    "jinja absolute": jinja("{% include '/etc/passwd' %}", "a.yaml:1: "),
    "jinja parent": jinja("\n{% include '../CANARY' %}", "a.yaml:2: "),
    "jinja dotted": jinja("{% include 'b/../../CANARY' %}", "a.yaml:1: "),
    "jinja extends": jinja("{% extends '../../../etc/passwd' %}", "a.yaml:1: "),
    "jinja from": jinja("{% from '/etc/passwd' import a %}", "a.yaml:1: "),
    "jinja ignore missing": jinja("{% include '../x' ignore missing %}", "a.yaml:1: "),
    "jinja joined name": jinja("{% include '..' ~ '/' ~ 'x' %}", "a.yaml:1: "),
    "jinja null": jinja("{% include 'a\\x00b' %}", "a.yaml:1: "),
    "jinja link": jinja("{% include 'l' %}", "l is a link that leads out", links={"l": "/etc/passwd"}),
    "jinja proc": jinja("{% include 'l' %}", "l is a link that leads out", links={"l": "/proc/self/environ"}),
    "jinja link in the tree": jinja("", "l.yaml", links={"l.yaml": "/etc/passwd"}),
    "jinja link to nothing": jinja("", "l.yaml", links={"l.yaml": "nothing"}),
    "jinja pipe": jinja("", "pipe.yaml", make=a_pipe),
    "jinja huge": jinja("", "b.yaml: larger than", make=a_huge_template),
    "jinja not text": jinja(b"a: \xff", "a.yaml: not UTF-8"),
    "jinja definition": jinja("", "b.tmpl.yaml", files={
        "b.tmpl.yaml": "define: [{name: x, path: ../../etc/passwd}]\napply: [{name: x}]"}),
    # jinja: what ends
    "jinja power": jinja("{{ 2 ** 10 ** 10 ** 10 }}"),
    "jinja repeat": jinja("{{ 'a' * 10 ** 10 }}", "a.yaml:1: "),
    "jinja list": jinja("{{ ([0] * 10 ** 10) | length }}", "a.yaml:1: "),
    "jinja range": jinja("{% for a in range(10 ** 12) %}{% endfor %}", "a.yaml:1: Range too big"),
    "jinja loops": jinja(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "a.yaml"
    ),
    "jinja output": jinja(
        "{% for a in range(99999) %}{{ 'x' * 1000000 }}{% endfor %}", "print more than"
    ),
    "jinja center": jinja("{{ 'x' | center(10 ** 10) }}"),
    "jinja percent": jinja("{{ '%1000000000d' % 1 }}", "a.yaml:1: a format that wide"),
    "jinja indent": jinja("{{ ('a\n' * 100000) | indent(10 ** 8) }}"),
    "jinja doubling": jinja(
        "{% set n = namespace(s='aaaaaaaa') %}{% for a in range(60) %}"
        "{% set n.s = n.s ~ n.s %}{% endfor %}"
    ),
    "jinja macro recursion": jinja("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", "without end"),
    "jinja include of itself": jinja("{% include 'a.yaml' %}", "a.yaml:1: "),
    "jinja deep": jinja("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"),
    "jinja deep blocks": jinja("{% if 1 %}" * 500 + "{% endif %}" * 500),
    "jinja yaml bomb": jinja(bomb(), "a.yaml"),
    "jinja yaml tag": jinja(CONSTRUCTORS, "a.yaml"),
    "jinja rendered bomb": jinja("{{ '[' * 100000 }}", "a.yaml"),
    # plain
    "plain bomb": plain(bomb()),
    "plain merge bomb": plain("a: &a {x: 1}\n" + "".join(f"b{n}: {{<<: [{'*a,' * 999}*a]}}\n" for n in range(20))),
    "plain deep lists": plain("[" * 100_000),
    "plain deep mappings": plain("{a: " * 5000 + "1" + "}" * 5000),
    "plain deep json": plain('{"a":' * 100_000, "a.json", name="a.json"),
    "plain duplicate": plain("a: 1\nb: 2\na: 3\n", "a.yaml:3"),
    "plain duplicate json": plain('{"a": 1, "a": 2}', "a.json:1", name="a.json"),
    "plain null byte": plain("a: b\0c"),
    "plain not text": plain(b"a: \xff\xfe"),
    "plain surrogate": plain('{"a": "\\ud800"}', "a.json", name="a.json"),
    "plain large number": plain('{"a": ' + "9" * 5000 + "}", "a.json", name="a.json"),
    "plain no number": plain("a: .inf"),
    "plain tag": plain(CONSTRUCTORS),
    "plain object tag": plain("a: !!python/name:os.system\n"),
    "plain directive": plain("%TAG ! tag:x,2000:\n---\na: 1"),
    "plain alias": plain("a: *nothing"),
    "plain alias of itself": plain("&a [*a]"),
    "plain huge": plain(MAP, "large", make=a_huge_manifest),
    "plain link": plain(MAP, "l.yaml", links={"l.yaml": "/etc/passwd"}),
    "plain link folder": plain(MAP, "l", links={"l": "/etc"}),
    "plain link chain": plain(MAP, "one", make=a_chain),
    "plain proc": plain(MAP, "l.yaml", links={"l.yaml": "/proc/self/mem"}),
    "plain pipe": plain(MAP, "pipe.yaml", make=a_pipe),
    "plain parent": plain(MAP, "leads out", options={"paths": ["../"]}),
    "plain absolute": plain(MAP, "leads out", options={"paths": ["/etc/passwd"]}),
    "plain null path": plain(MAP, "leads out", options={"paths": ["a\0b"]}),
    "plain prototype": plain("__class__: {__init__: x}"),
    # tree: scripts and templates
    "tree import": script("import os; os.system('touch CANARY')"),
    "tree builtin": script("__import__('os').system('touch CANARY')"),
    "tree open": script("open('CANARY', 'w')"),
    "tree exec": script("exec('1')"),
    "tree class": script("''.__class__.__mro__[1].__subclasses__()"),
    "tree function": script("def f():\n  return 1"),
    "tree context": script("ktor.__class__.__init__.__globals__['os']"),
    "tree api": script("ktor.app.walk_local.__call__.__globals__"),
    "tree program": script("ktor.app.run(['touch', 'CANARY'])"),
    "tree capture": script("ktor.app.run_capturing_out(['touch', 'CANARY'], None)"),
    "tree remote": script("ktor.app.walk_remote('git://127.0.0.1/x', '/')"),
    "tree remote file": script("ktor.k8s.load_remote_resources('http://127.0.0.1:9/', 'yaml')"),
    "tree terraform": script("ktor.app.register_plugin('terraform')"),
    "tree parent": script("ktor.app.walk_local('..')"),
    "tree absolute": script("ktor.app.walk_local('/etc')"),
    "tree load": script("ktor.k8s.load_resources('/etc/passwd', 'yaml')"),
    "tree load parent": script("ktor.k8s.load_resources('../../etc/passwd', 'text')"),
    "tree endless": script("ktor.app.walk_local('.')", "."),
    "tree growth": script("ktor.a = 'aaaaaaaaaaaaaaaa'\n" + "ktor.a += ktor.a\n" * 60, "kubernator.py:"),
    "tree deep script": script("ktor.a = " + "[" * 3000 + "]" * 3000, ".kubernator.py"),
    "tree replace": script("ktor.a = ('a' + 'a').replace('', 'b' + 'c')\nimport os", ".kubernator.py:2"),
    "tree link": tree(MAP, "l.yaml", links={"l.yaml": "/etc/passwd"}),
    "tree link folder": tree(MAP, "l", links={"l": "/etc"}),
    "tree link script": tree(MAP, "leads out", links={".kubernator.py": "/etc/passwd"}),
    "tree template": tree("{${ ktor.app.walk_local.__call__.__globals__ }$}", "a.yaml:1: "),
    "tree template program": tree("{${ ktor.app.run(['touch', 'CANARY']) }$}", "a.yaml:1: "),
    "tree template class": tree("{${ ktor.__class__.__mro__ }$}", "a.yaml:1: "),
    "tree template include": tree("{% include '../../../etc/passwd' %}", "a.yaml:1: "),
    "tree value": tree("{${ values }$}", "a.yaml:1: "),
    "tree endless values": tree("{${ ktor.loop }$}", files={".kubernator.py": "ktor.loop = '{${ ktor.loop }$}'"}),
    "tree chart program": tree(MAP, "x.helm.yaml", files={
        "x.helm.yaml": "chart: a\nname: b\nnamespace: c\npost-renderer: touch CANARY"}),
    "tree chart outside": tree(MAP, "x.helm.yaml", files={
        "x.helm.yaml": "chart: ../../etc\nname: b\nnamespace: c"}),
    "tree bomb": tree(bomb()),
}  # fmt: skip


def children() -> set[int]:
    """Return the processes that this one started and that are still there."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(one) for one in (task / "children").read_text().split()}
    return found


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def written(root: Path, case: Case, canary: Path) -> None:
    for name, content in {case.main: case.text, **case.files}.items():
        data = content if isinstance(content, bytes) else content.encode()
        (root / name).write_bytes(data.replace(b"CANARY", str(canary).encode()))
    for name, goal in case.links.items():
        (root / name).symlink_to(goal)
    if case.make:
        case.make(root)


def test_there_are_a_hundred():
    assert len(CASES) >= 100


@pytest.mark.parametrize("name", CASES)
async def test_it_is_refused_by_name(name, tmp_path, temporary):
    case, canary, root = CASES[name], tmp_path / "canary", tmp_path / "source"
    root.mkdir()
    written(root, case, canary)
    before = children()
    request = RenderRequest(
        checkout=Checkout(root=root, revision="path@sha256:0"),
        rollout="shop",
        timeout=timedelta(seconds=ENDLESS_SECONDS if name in ENDLESS else SECONDS),
    )
    with pytest.raises((RenderError, InvalidDocument, InvalidManifests)) as caught:
        await KINDS[case.kind].model_validate(case.options).render(request)

    assert case.says in caught.value.message
    assert PASSWD not in caught.value.message
    assert len(caught.value.message) < 4000
    assert not canary.exists()
    assert children() <= before
    assert list(temporary.iterdir()) == []
