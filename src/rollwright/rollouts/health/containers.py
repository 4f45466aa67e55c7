"""What one container of a pod suffers from (HL-147).

Before: ``pods`` and ``causes`` took a pod apart.
After: a ``Symptom`` names the cause's code and says it in words that equal symptoms share, so
that ``causes`` can group them over the pods of a workload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollwright.rollouts.health.subject import moment, plural
from rollwright.rollouts.manifest import Body

IMAGE_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable"}
)
START_ERROR = frozenset({"CreateContainerError", "RunContainerError"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """One cause in one container.

    Attributes:
        text: The whole sentence, without the number of pods.
        verb: The sentence's form after "2 of 4 pods"; empty when ``text`` serves as it is.
    """

    code: str
    text: str
    verb: str = ""
    restart_count: int = 0
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container with its spec and its status."""

    name: str
    kind: str
    spec: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def waiting(self) -> Mapping[str, Any]:
        """The state ``waiting``, empty when it does not wait."""
        return (self.status.get("state") or {}).get("waiting") or {}

    @property
    def waiting_reason(self) -> str:
        """Why it waits."""
        return str(self.waiting.get("reason") or "")

    @property
    def waiting_message(self) -> str:
        """What is said about the waiting."""
        return " ".join(str(self.waiting.get("message") or "").split())

    @property
    def terminated(self) -> Mapping[str, Any]:
        """The end of its present life, else of its last one."""
        now = (self.status.get("state") or {}).get("terminated")
        return now or (self.status.get("lastState") or {}).get("terminated") or {}

    @property
    def has_died(self) -> bool:
        """Whether a life of it has ended before the present one."""
        return bool((self.status.get("lastState") or {}).get("terminated"))

    @property
    def is_ready(self) -> bool:
        """Whether the kubelet calls it ready."""
        return bool(self.status.get("ready"))

    @property
    def restart_count(self) -> int:
        """How often it was started again."""
        return int(self.status.get("restartCount") or 0)

    @property
    def image(self) -> str:
        """The image as the manifest names it."""
        return str(self.spec.get("image") or self.status.get("image") or "")

    def symptom(self) -> Symptom | None:
        """Return what it suffers from; ``None`` when it is well or merely starting."""
        reason = self.waiting_reason
        if reason in IMAGE_PULL:
            return self._image_pull()
        if reason == "InvalidImageName":
            return Symptom(code="InvalidImage", text=f"image name {self.image!r} is not valid")
        if reason == "CreateContainerConfigError":
            return self._config_missing()
        if reason in START_ERROR:
            words = f"container {self.name} cannot start: {self.waiting_message or reason}"
            return Symptom(code="StartError", text=words)
        if self._is_crashing():
            return self._crash()
        if reason.startswith("Err") or reason.endswith("Error"):
            words = f"container {self.name} cannot start: {self.waiting_message or reason}"
            return Symptom(code="StartError", text=words)
        return None

    def _image_pull(self) -> Symptom:
        message = self.waiting_message
        if self.waiting_reason == "ErrImageNeverPull":
            why = "it is not on the node and must not be pulled"
        else:
            why = _pull_reason(message)
        words = f"cannot pull {self.image}" + (f": {why}" if why else "")
        return Symptom(code="ImagePull", text=words, verb=words)

    def _config_missing(self) -> Symptom:
        message = self.waiting_message.replace('"', "'") or "a Secret or ConfigMap is missing"
        words = f"{message} (wanted by container {self.name})"
        return Symptom(code="ConfigMissing", text=words)

    def _is_crashing(self) -> bool:
        if self.waiting_reason == "CrashLoopBackOff":
            return True
        if self.is_ready or self.kind == "init":
            return self.terminated.get("reason") == "OOMKilled" and not self.is_ready
        return bool(self.restart_count) and self.has_died

    def _crash(self) -> Symptom:
        end, restarts = self.terminated, self.restart_count
        if end.get("reason") == "OOMKilled":
            limit = ((self.spec.get("resources") or {}).get("limits") or {}).get("memory")
            words = f"container {self.name} was killed: memory limit {limit or 'of its node'}"
            words += f", {plural(restarts, 'restart')}" if restarts else ""
            code = "OutOfMemory"
        else:
            words = f"container {self.name} crashes: exit code {end.get('exitCode', 'unknown')}"
            words += f", {plural(restarts, 'restart')}"
            code = "CrashLoop"
            last = _last_line(str(end.get("message") or ""))
            words += f", last words: {last}" if last else ""
        began = moment(end.get("finishedAt")) if restarts == 1 else None
        return Symptom(code=code, text=words, restart_count=restarts, began_at=began)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _pull_reason(message: str) -> str:
    """Return the innermost cause: what stands after the last colon and blank."""
    _, found, why = message.rpartition(": ")
    return why if found else ("" if message.startswith("Back-off") else message)


def containers_of(body: Body) -> tuple[Container, ...]:
    """Return all containers of a pod: sidecars, init containers, the others."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    init = _pair(spec.get("initContainers"), status.get("initContainerStatuses"), "init")
    main = _pair(spec.get("containers"), status.get("containerStatuses"), "container")
    return (
        *(one for one in init if one.kind == "sidecar"),
        *(one for one in init if one.kind == "init"),
        *main,
    )


def _pair(specs: Any, statuses: Any, kind: str) -> list[Container]:
    by_name = {one["name"]: one for one in specs or ()}
    return [
        Container(
            name=one["name"],
            kind=_kind(by_name.get(one["name"], {}), kind),
            spec=by_name.get(one["name"], {}),
            status=one,
        )
        for one in statuses or ()
    ]


def _kind(spec: Mapping[str, Any], kind: str) -> str:
    return "sidecar" if kind == "init" and spec.get("restartPolicy") == "Always" else kind
