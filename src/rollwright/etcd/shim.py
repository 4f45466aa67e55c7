"""The one import of etcd3: version 0.12.0, under any protobuf that is still maintained.

Its generated modules call functions that protobuf 4 removed. The descriptors in them are good, so
the modules are built from those; what etcd3 wrote around them is never run.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "etcd3.etcdrpc"
_MODULES = ("kv_pb2", "auth_pb2", "rpc_pb2")  # each needs those before it

_SETTINGS = {
    # Its own log lines would stand between those of a command; every failure is told by us.
    "GRPC_VERBOSITY": "NONE",
    # Renderers start child processes: its handlers of fork() are for children that go on in Python.
    "GRPC_ENABLE_FORK_SUPPORT": "false",
}


@cache
def rpc() -> Any:
    """Return the messages and stubs of etcd's API."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in _MODULES:
        if f"{PACKAGE}.{name}" not in sys.modules:
            sys.modules[f"{PACKAGE}.{name}"] = _built(name)
    return importlib.import_module(PACKAGE)


def aio() -> Any:
    """Return gRPC for event loops."""
    rpc()  # sets what gRPC reads when it is imported
    return importlib.import_module("grpc.aio")


def _built(name: str) -> types.ModuleType:
    from google.protobuf import descriptor_pool  # noqa: PLC0415  (0.05 s, for users of etcd only)
    from google.protobuf.internal import builder  # noqa: PLC0415  (the same)

    module = types.ModuleType(f"{PACKAGE}.{name}")
    described = descriptor_pool.Default().AddSerializedFile(_descriptor(_folder() / f"{name}.py"))
    names = vars(module)
    names["DESCRIPTOR"] = described
    builder.BuildMessageAndEnumDescriptors(described, names)
    builder.BuildTopDescriptorsAndMessages(described, module.__name__, names)
    return module


def _folder() -> Path:
    found = importlib.util.find_spec("etcd3")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("no module named 'etcd3'; Rollwright needs etcd3==0.12.0")
    return Path(found.submodule_search_locations[0]) / "etcdrpc"


def _descriptor(path: Path) -> bytes:
    """Return the file descriptor that a generated module holds as a literal."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            return _literal(node.value)
    raise ImportError(f"{path}: no serialized descriptor; Rollwright needs etcd3==0.12.0")


def _literal(node: ast.expr) -> bytes:
    """Read ``b'…'`` or ``_b('…')``, which is text in Latin-1."""
    if isinstance(node, ast.Call):
        return str(ast.literal_eval(node.args[0])).encode("latin1")
    return bytes(ast.literal_eval(node))
