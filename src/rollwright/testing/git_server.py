"""A git server on this machine, with a login: ``git http-backend`` behind a small HTTP server.

It is what forges run behind their own faces, so what a test sees here is what git does there.

    with GitServer(tmp_path / "server") as server:
        url = server.create("states")
        ...  # user ``server.user`` with ``server.password`` may fetch and push
"""

from __future__ import annotations

import hmac
import os
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urlsplit

Gate = Callable[[str, str], int | None]
"""Sees method and path of a request that has logged in; ``None`` lets it pass, a status answers it
at once, and so do ``DROP`` and ``LOSE_ANSWER``. It may block: the request waits as long."""

DROP: Final = 0
"""The connection ends, and nothing was done."""
LOSE_ANSWER: Final = -1
"""The request is carried out, and the connection ends before its answer."""

PASSWORD: Final = "swordfish-päss"  # noqa: S105  (of a server that lives as long as a test)
_BACKEND_SECONDS: Final = 120.0


class GitServer:
    """Serves bare repositories of one folder over HTTP on loopback.

    Attributes:
        root: The folder of the repositories.
        user: Who may log in.
        password: With which password.
        gate: Asked before each request.
        requests: Method and path of every request that has logged in, in order.
    """

    def __init__(self, root: Path, *, user: str = "git", password: str = PASSWORD) -> None:
        self.root = root
        self.user = user
        self.password = password
        self.gate: Gate | None = None
        self.requests: list[str] = []
        self._noting = Lock()
        self._http: ThreadingHTTPServer | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, port: int = 0) -> None:
        """Listen; on the port of before after a stop, if it is given."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._http = _Listener(self, port)
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, and end the requests in flight."""
        if self._http and self._thread:
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()
        self._http = self._thread = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._http
        return int(self._http.server_address[1])

    def url(self, name: str) -> str:
        """Return the address of a repository, whether it is there or not."""
        return f"http://127.0.0.1:{self.port}/{name}.git"

    def path(self, name: str) -> Path:
        """Return the folder of a repository."""
        return self.root / f"{name}.git"

    def create(self, name: str) -> str:
        """Make an empty repository that takes pushes; return its address."""
        self.git(name, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        self.git(name, "config", "http.receivepack", "true")
        return self.url(name)

    def git(self, name: str, *arguments: str, feed: bytes = b"") -> str:
        """Run git in a repository, beside the server; return what it printed."""
        path = self.path(name)
        path.mkdir(parents=True, exist_ok=True)
        command = ("git", "--git-dir", str(path), *arguments)
        done = subprocess.run(  # noqa: S603  (a test's own words)
            command, input=feed, capture_output=True, check=False, env=_environment(), timeout=120
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="replace").strip()

    def note(self, method: str, path: str) -> int | None:
        """Note a request and ask the gate."""
        with self._noting:
            self.requests.append(f"{method} {path}")
        return self.gate(method, path) if self.gate else None

    def knows(self, header: str) -> bool:
        """Whether an Authorization header is that of the user."""
        login = f"{self.user}:{self.password}".encode()
        wanted = f"Basic {b64encode(login).decode()}"
        return hmac.compare_digest(header.encode(errors="replace"), wanted.encode())


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, served: GitServer, port: int) -> None:
        self.served = served
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that was killed is what the tests are about."""


def _environment() -> dict[str, str]:
    person = {"NAME": "Test", "EMAIL": "test@localhost"}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{
            f"GIT_{who}_{key}": one
            for key, one in person.items()
            for who in ("AUTHOR", "COMMITTER")
        },
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a fetch's or push's first question."""
        self._answer()

    def do_POST(self) -> None:
        """Take or give objects."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name above)
        """Say nothing."""

    def _answer(self) -> None:
        assert isinstance(self.server, _Listener)
        served = self.server.served
        body = b"".join(_body(self))
        if not served.knows(self.headers.get("Authorization", "")):
            self._say(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"who are you?\n")
            return
        status = served.note(self.command, self.path)
        if status is None:
            self._say(*_backend(served.root, self, body))
        elif status in {DROP, LOSE_ANSWER}:
            if status == LOSE_ANSWER:
                _backend(served.root, self, body)
            self.close_connection = True
        else:
            self._say(status, {}, b"the gate says no\n")

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


def _body(request: BaseHTTPRequestHandler) -> Iterator[bytes]:
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        yield request.rfile.read(int(request.headers.get("Content-Length") or 0))
        return
    while size := int(request.rfile.readline().partition(b";")[0] or b"0", 16):
        yield request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()


def _backend(
    root: Path, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(request.path)
    variables = {
        **_environment(),
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": "git",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": request.command,
        "PATH_INFO": unquote(parts.path),
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
    }
    done = subprocess.run(
        ("git", "http-backend"),  # noqa: S607  (the git of the tests)
        input=body, capture_output=True, check=False, env=variables, timeout=_BACKEND_SECONDS,
    )  # fmt: skip
    head, _, answer = done.stdout.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode().splitlines())
    headers = {name: value for name, _, value in lines}
    status = int(headers.pop("Status", "200").split()[0])
    return status, headers, answer
