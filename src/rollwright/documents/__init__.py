"""YAML and JSON text to plain values and back, read exactly as ``kubectl`` reads them.

Everything a person or a tool writes comes through here: rollouts, values, manifests, state.
Kubernetes reads YAML with Go's rules (``y`` is a boolean, ``1234567e8`` a number, a date a
string), which no Python reader shares. ``scalars`` holds those rules, ``loader`` builds values
from parser events, ``json_text`` reads JSON, ``reading`` is the way in, ``dumper`` the way out,
``lint`` finds what two readers take for two things.

This package is the only importer of ``yaml``. What cannot be read is an ``InvalidDocument``
with ``name:line:column``; no text, however hostile, costs more than its ``Limits``.
"""

from __future__ import annotations

from rollwright.documents.dumper import KubeDumper, dump, dump_all
from rollwright.documents.lint import ambiguities
from rollwright.documents.loader import DEFAULT_LIMITS, KubeLoader, Limits
from rollwright.documents.places import path_text
from rollwright.documents.reading import Document, line_of, load, load_all, nearest_line

__all__ = [
    "DEFAULT_LIMITS",
    "Document",
    "KubeDumper",
    "KubeLoader",
    "Limits",
    "ambiguities",
    "dump",
    "dump_all",
    "line_of",
    "load",
    "load_all",
    "nearest_line",
    "path_text",
]
