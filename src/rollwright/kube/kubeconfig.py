"""Kubeconfig files as kubectl merges them, without importing a Kubernetes library.

Before: a site or a person named a file and a context, or nothing.
After: ``auth`` makes access to one cluster of the chosen context.

The first file that has a name wins, for clusters, users, contexts and the current context alike.
Relative paths belong to the file in which they stand, so they are made absolute here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from rollwright import documents
from rollwright.errors import InvalidDocument, NotFound

Section: TypeAlias = dict[str, Mapping[str, Any]]

_SECTIONS = (("clusters", "cluster"), ("users", "user"), ("contexts", "context"))

_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One context with what it points to; ``user`` is ``None`` when nobody is named."""

    context: str
    namespace: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any] | None
    user_name: str = ""
    cluster_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """Several files, merged."""

    clusters: Section = field(default_factory=dict)
    users: Section = field(default_factory=dict)
    contexts: Section = field(default_factory=dict)
    current_context: str = ""
    files: tuple[Path, ...] = ()

    def choose(self, context: str = "") -> Chosen:
        """Return a context, or the current one.

        Raises:
            NotFound: There is no such context, cluster or user.
        """
        name = context or self.current_context
        if not name:
            raise NotFound(
                f"{self._where}: no current context; contexts: {_names(self.contexts)}",
                hint="name one with --context, or run: kubectl config use-context NAME",
            )
        entry = self._find("context", self.contexts, name)
        cluster_name, user_name = str(entry.get("cluster") or ""), str(entry.get("user") or "")
        return Chosen(
            context=name,
            namespace=str(entry.get("namespace") or "default"),
            cluster=self._find("cluster", self.clusters, cluster_name),
            user=self._find("user", self.users, user_name) if user_name else None,
            user_name=user_name,
            cluster_name=cluster_name,
        )

    def _find(self, what: str, section: Section, name: str) -> Mapping[str, Any]:
        if name in section:
            return section[name]
        close = get_close_matches(name, section, n=1)
        raise NotFound(
            f"{self._where}: no {what} {name!r}; known: {_names(section)}",
            hint=f"did you mean {close[0]!r}?" if close else None,
        )

    @property
    def _where(self) -> str:
        return ":".join(str(file) for file in self.files) or "kubeconfig"


def read_kubeconfig(files: Iterable[Path]) -> Kubeconfig:
    """Read and merge files; those that do not exist are passed over.

    Raises:
        InvalidDocument: A file cannot be read or is no kubeconfig.
    """
    sections: dict[str, Section] = {plural: {} for plural, _ in _SECTIONS}
    current, read = "", []
    for file in files:
        if not file.is_file():
            continue
        value = _read(file)
        read.append(file)
        current = current or str(value.get("current-context") or "")
        for plural, singular in _SECTIONS:
            for name, entry in _entries(file, value, plural, singular).items():
                sections[plural].setdefault(name, entry)
    return Kubeconfig(**sections, current_context=current, files=tuple(read))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise InvalidDocument(f"{file}: cannot be read: {error.strerror}") from error
    if not text.strip():
        return {}
    value = documents.load(text, name=str(file))
    if not isinstance(value, Mapping):
        raise InvalidDocument(f"{file}: no kubeconfig: expected a mapping")
    return value


def _entries(file: Path, value: Mapping[str, Any], plural: str, singular: str) -> Section:
    entries = value.get(plural) or []
    if not isinstance(entries, list):
        raise InvalidDocument(f"{file} {plural}: expected a list")
    found: Section = {}
    for index, entry in enumerate(entries):
        body = entry.get(singular) if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not isinstance(body or {}, Mapping):
            raise InvalidDocument(f"{file} {plural}[{index}]: expected name and {singular}")
        if not entry.get("name"):
            raise InvalidDocument(f"{file} {plural}[{index}]: has no name")
        # As kubectl: within one file the last of two entries of one name counts.
        found[str(entry["name"])] = _absolute(file, body or {})
    return found


def _absolute(file: Path, body: Mapping[str, Any]) -> Mapping[str, Any]:
    folder = file.absolute().parent
    paths = {key: str(folder / str(body[key])) for key in _PATHS if body.get(key)}
    run = body.get("exec")
    if isinstance(run, Mapping) and "/" in str(run.get("command", "")):
        return {**body, **paths, "exec": {**run, "command": str(folder / str(run["command"]))}}
    return {**body, **paths}


def _names(section: Section) -> str:
    return ", ".join(sorted(section)) or "none"
