"""What a failed call means: whether to try again, and what to tell a person. Pure.

The codes are those of gRPC, the texts those of etcd's servers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rollwright.errors import Refused, RolloutError, Unauthorized, Unreachable, excerpt

PASSING = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED", "INTERNAL"})
"""Codes after which another attempt, best at another member, may succeed."""

_LOGIN_AGAIN = ("invalid auth token", "revision of auth store is old")
_NOT_KNOWN = ("authentication failed", "user name is empty", "invalid auth token")
_TLS = ("handshake", "certificate", "verification check", "ssl", "tls")
_DISTRUST = ("certificate_verify_failed", "verification check failed", "create security handshaker")
_TURNED_AWAY = ("connection refused", "socket closed", "unwrap failed")

# What gRPC says before it says why; the endpoint stands in our own words.
_PREAMBLE = re.compile(
    r"failed to connect to all addresses; last error: \w+: (ip\w+:\S+: )?", re.IGNORECASE
)

_TLS_HINT = (
    "check tls.ca (who signed the servers), tls.cert and tls.key (what we show), and tls.serverName"
)
_PLAIN_HINT = (
    "is it running, and is the endpoint right? A server that wants TLS hangs up on those"
    " who come without: write https:// or tls"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One call that failed at one member.

    Attributes:
        code: Name of a gRPC status code.
        text: What the server or the channel said.
        endpoint: Which member.
        is_secured: Whether the connection uses TLS.
    """

    code: str
    text: str
    endpoint: str
    is_secured: bool = False

    @property
    def is_passing(self) -> bool:
        """Whether another attempt may succeed."""
        return self.code in PASSING or "too many requests" in self.text

    @property
    def is_distrust(self) -> bool:
        """Whether one of us does not trust the other; that does not pass by itself."""
        return any(sign in self.text.lower() for sign in _DISTRUST)

    @property
    def is_turned_away(self) -> bool:
        """Whether nobody listens there, or somebody who speaks another language."""
        return any(sign in self.text.lower() for sign in _TURNED_AWAY)

    @property
    def wants_login(self) -> bool:
        """Whether our token has ended; another login may help."""
        return any(sign in self.text for sign in _LOGIN_AGAIN)

    def explain(self, tried: tuple[str, ...]) -> RolloutError:
        """Return what to tell a person, after all these members were tried."""
        said = excerpt(_PREAMBLE.sub("", self.text)) or self.code.lower().replace("_", " ")
        where = f"etcd {self.endpoint}"
        if self.code == "UNAUTHENTICATED" or any(sign in self.text for sign in _NOT_KNOWN):
            return Unauthorized(f"{where}: {said}", hint=_LOGIN_HINT)
        if self.code == "PERMISSION_DENIED":
            return Refused(f"{where}: {said}", hint=_ROLE_HINT)
        if self.code == "RESOURCE_EXHAUSTED":
            return Refused(f"{where}: {said}", hint=_SPACE_HINT)
        if not self.is_passing:
            return Refused(f"{where}: refused: {said}")
        return Unreachable(
            f"etcd {', '.join(tried)}: no answer: {said}",
            hint=self._hint,
            retryable=not self.is_distrust,
        )

    @property
    def _hint(self) -> str:
        text = self.text.lower()
        if self.is_secured and any(sign in text for sign in _TLS):
            return _TLS_HINT
        if "no leader" in text or "leader changed" in text:
            return "most of its members must run: look at `etcdctl endpoint status --cluster`"
        return f"is it running? If so: {_TLS_HINT}" if self.is_secured else _PLAIN_HINT


_LOGIN_HINT = "check user and password, or the common name of the certificate that we show"
_ROLE_HINT = "grant the user's role readwrite on our prefix: `etcdctl role grant-permission`"
_SPACE_HINT = "etcd is full: compact and defragment it, then `etcdctl alarm disarm`"
