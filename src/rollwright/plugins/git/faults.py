"""What git said, as errors that tell a person what to do.

Before: ``program`` ran it in the language of the program itself. After: whoever called raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rollwright.errors import Refused, RolloutError, Unauthorized, Unreachable, excerpt

_NO_LOGIN = re.compile(
    r"Authentication failed|could not read (Username|Password)|returned error: 401"
    r"|Permission denied \(|no such identity"
)
_NO_RIGHT = re.compile(
    r"returned error: 403|denied to|insufficient permission|not allowed to", re.IGNORECASE
)
_NO_REPOSITORY = re.compile(
    r"returned error: 404|repository .*not found|does not appear to be a git repository"
    r"|could not be found|Repository not found|returned error: 410",
    re.IGNORECASE,
)
_NO_TRUST = re.compile(
    r"SSL certificate problem|server certificate|certificate verif|SSL_|gnutls|local issuer"
    r"|error setting certificate|Host key verification failed|No \S+ host key is known",
    re.IGNORECASE,
)
_MOVED = re.compile(r"returned error: 30\d|unable to update url base from redirection")
_DAMAGE = re.compile(
    r"object file .* is empty|loose object .* is corrupt|bad object|invalid sha1 pointer"
    r"|packfile .* (cannot be accessed|is corrupt|does not match)|object corrupt or missing"
    r"|unable to read tree|bad (ref|tree|commit)|not a git repository:|missing (blob|tree|commit)"
    r"|Could not read [0-9a-f]{40}|Failed to traverse|file .* is far too short|bad shallow",
)
_FOREIGN_HISTORY = re.compile(r"fsck error|fsck_object|bad config", re.IGNORECASE)


def is_damage(said: str) -> bool:
    """Whether the local copy is what git cannot read."""
    own = (line for line in said.splitlines() if not line.startswith("remote:"))
    return any(_DAMAGE.search(line) for line in own)


def is_missing_branch(said: str) -> bool:
    """Whether the server answered, and has no such branch."""
    return "couldn't find remote ref" in said


def explain(
    said: str, *, where: str, secret: str, needs: str = "read and push the branch"
) -> RolloutError:
    """Return the error for what git said about a server.

    Args:
        said: Its stderr.
        where: What a message calls the server.
        secret: What a message calls the credentials.
        needs: What they must be good for.
    """
    text = _line_of(said)
    for pattern, make in _TABLE:
        if pattern.search(said):
            return make(f"{where}: {text}", secret, needs)
    return Unreachable(
        f"{where}: {text}",
        hint="look whether the server runs and this machine reaches it",
    )


def remote_words(said: str) -> str:
    """Return what a server itself said: a hook, a rule of a protected branch."""
    lines = (line.partition("remote:")[2].strip() for line in said.splitlines())
    return "; ".join(line for line in lines if line)


def _line_of(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))]
    return excerpt("; ".join(telling or lines) or "git said nothing")


def _no_login(text: str, secret: str, _needs: str) -> RolloutError:
    return Unauthorized(text, hint=f"the server does not know us: look at {secret}")


def _no_right(text: str, secret: str, needs: str) -> RolloutError:
    return Unauthorized(text, hint=f"{secret} may not do that: it must be able to {needs}")


def _no_repository(text: str, secret: str, _needs: str) -> RolloutError:
    return Unreachable(
        text,
        retryable=False,
        hint=f"create the repository, or look at `url`; some servers say so when {secret} is wrong",
    )


def _no_trust(text: str, _secret: str, _needs: str) -> RolloutError:
    return Unreachable(
        text,
        retryable=False,
        hint="name the certificates that the server is known by: `caFile` for https,"
        " `knownHosts` for ssh",
    )


def _moved(text: str, _secret: str, _needs: str) -> RolloutError:
    return Unreachable(
        text, retryable=False, hint="the repository has moved: write its new address as `url`"
    )


def _foreign(text: str, _secret: str, _needs: str) -> RolloutError:
    return Refused(
        text, hint="the branch holds objects that git itself refuses; use a branch of its own"
    )


_TABLE: tuple[tuple[re.Pattern[str], Callable[[str, str, str], RolloutError]], ...] = (
    (_NO_LOGIN, _no_login),
    (_NO_RIGHT, _no_right),
    (_NO_REPOSITORY, _no_repository),
    (_MOVED, _moved),
    (_NO_TRUST, _no_trust),
    (_FOREIGN_HISTORY, _foreign),
)
