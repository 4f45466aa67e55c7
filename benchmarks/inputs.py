"""What is rolled out: a set of objects in files, and the rollout that declares it.

Before: somebody asked for M, for K or for a folder of their own.
After: ``peers`` apply the files; ``limit`` sends the same objects as JSON.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import orjson

from rollwright.engine import operations
from rollwright.engine.documents import load_rollout
from rollwright.engine.site import open_site

QUARTETS = 250
"""Of M: a Deployment without pods, a Service, a ConfigMap and a ServiceAccount each."""

CRD = "CustomResourceDefinition"

_NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n"

_QUARTET = Template("""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: $name
  namespace: $namespace
  labels:
    app.kubernetes.io/name: $name
    app.kubernetes.io/part-of: benchmark
spec:
  replicas: 0
  revisionHistoryLimit: 2
  selector:
    matchLabels:
      app.kubernetes.io/name: $name
  template:
    metadata:
      labels:
        app.kubernetes.io/name: $name
    spec:
      serviceAccountName: $name
      containers:
        - name: web
          image: registry.example/web:1.4.2
          args: ["--listen=:8080", "--config=/etc/web/config.yaml"]
          env:
            - name: LEVEL
              valueFrom:
                configMapKeyRef:
                  name: $name
                  key: level
          ports:
            - name: http
              containerPort: 8080
          readinessProbe:
            httpGet:
              path: /ready
              port: http
          resources:
            requests:
              cpu: 50m
              memory: 64Mi
            limits:
              memory: 128Mi
          volumeMounts:
            - name: config
              mountPath: /etc/web
      volumes:
        - name: config
          configMap:
            name: $name
---
apiVersion: v1
kind: Service
metadata:
  name: $name
  namespace: $namespace
spec:
  selector:
    app.kubernetes.io/name: $name
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: $name
  namespace: $namespace
data:
  level: info
  config.yaml: |
    name: $name
    listen: 8080
    upstreams: [a.example, b.example]
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: $name
  namespace: $namespace
automountServiceAccountToken: false
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A set of objects, and the rollout that declares it.

    Attributes:
        name: ``M``, ``K`` or what somebody called theirs.
        objects: The folder of manifests.
        rollout: The rollout's file.
        bodies: The objects as Rollwright sends them: the limit sends exactly the same.
    """

    name: str
    objects: Path
    rollout: Path
    bodies: tuple[dict[str, Any], ...]

    @property
    def has_crds(self) -> bool:
        """Whether kinds come with the set, so that their objects must wait."""
        return any(body["kind"] == CRD for body in self.bodies)

    @property
    def kinds(self) -> frozenset[tuple[str, str]]:
        """Versions and kinds of the objects."""
        return frozenset((body["apiVersion"], body["kind"]) for body in self.bodies)

    def describe(self) -> str:
        """Return one line for the head of a table."""
        size = sum(len(orjson.dumps(body)) for body in self.bodies)
        crds = sum(body["kind"] == CRD for body in self.bodies)
        return (
            f"{self.name}: {len(self.bodies):,} objects of {len(self.kinds)} kinds,"
            f" {size / 1e6:.1f} MB as JSON, {crds} CRDs"
        )


def write_quartets(folder: Path, count: int, *, namespace: str) -> None:
    """Write a Namespace and ``count`` files of four objects each."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "namespace.yaml").write_text(_NAMESPACE.format(name=namespace))
    for number in range(count):
        name = f"web-{number:05}"
        text = _QUARTET.substitute(name=name, namespace=namespace)
        (folder / f"{name}.yaml").write_text(text)


def change_objects(folder: Path, count: int, *, level: str) -> None:
    """Change one word in ``count`` of the ConfigMaps that ``write_quartets`` wrote."""
    for path in sorted(folder.glob("web-*.yaml"))[:count]:
        lines = path.read_text().splitlines(keepends=True)
        changed = (f"  level: {level}\n" if one.startswith("  level: ") else one for one in lines)
        path.write_text("".join(changed))


def make_m(work: Path, *, name: str = "M", count: int = QUARTETS) -> Input:
    """Write input M, or one like it of another name and size."""
    objects = work / "objects"
    write_quartets(objects, count, namespace=f"benchmark-{name.lower()}")
    return _declare(name, work, objects, {})


def make_k(name: str, work: Path, objects: Path) -> Input:
    """Declare a folder of manifests as it is.

    Nobody runs the controllers of custom kinds in the sandbox, nor the server behind an
    APIService: their health is left out, in favor of nobody.
    """
    first = _declare(name, work, objects, {})
    defined = {one["spec"]["names"]["kind"] for one in first.bodies if one["kind"] == CRD}
    kinds = {kind for version, kind in first.kinds if kind in defined | {"APIService"}}
    skip = [{"kind": kind} for kind in sorted(kinds)]
    return _declare(name, work, objects, {"health": {"skip": skip}}) if skip else first


def _declare(name: str, work: Path, objects: Path, more: dict[str, Any]) -> Input:
    work.mkdir(parents=True, exist_ok=True)
    # One folder is one site: nothing of the person's own site.toml is found above it.
    (work / "site.toml").write_text('[site]\nname = "benchmark"\n')
    rollout = work / "rollout.json"
    document = {
        "apiVersion": "rollwright.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "benchmark"},
        "spec": {"source": {"path": str(objects)}, **more},
    }
    rollout.write_bytes(orjson.dumps(document))
    return Input(name=name, objects=objects, rollout=rollout, bodies=render(rollout))


def render(rollout: Path) -> tuple[dict[str, Any], ...]:
    """Return the objects that a rollout declares, as they are sent."""

    async def rendered() -> tuple[dict[str, Any], ...]:
        loaded = load_rollout(rollout)
        async with open_site(loaded) as site:
            wanted = await operations.render(site, loaded)
        return tuple(dict(manifest.body) for manifest in wanted)

    return asyncio.run(rendered())
