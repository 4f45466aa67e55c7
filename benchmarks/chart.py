"""The objects of an input as a Helm chart.

Before: ``inputs`` wrote the manifests. After: ``peers`` hands the chart to helm.
"""

from __future__ import annotations

from pathlib import Path

_CHART = "apiVersion: v2\nname: benchmark\nversion: 0.1.0\ndescription: The same objects\n"
_LITERAL = {"{{": '{{ "{{" }}', "}}": '{{ "}}" }}'}


def write_chart(objects: Path, folder: Path) -> Path:
    """Write a chart whose templates are the manifests, and return its folder.

    Braces that a manifest holds itself stay what they are.
    """
    templates = folder / "templates"
    templates.mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(_CHART)
    for path in sorted(objects.glob("*.yaml")):
        (templates / path.name).write_text(escape(path.read_text()))
    return folder


def escape(text: str) -> str:
    """Return a template that renders to ``text``."""
    parts = []
    while text:
        opens = [(text.find(mark), mark) for mark in _LITERAL if mark in text]
        if not opens:
            break
        place, mark = min(opens)
        parts += [text[:place], _LITERAL[mark]]
        text = text[place + len(mark) :]
    return "".join([*parts, text])
