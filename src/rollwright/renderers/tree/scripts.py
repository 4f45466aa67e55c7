"""What a script declares, read without running it.

A script of a tree is Python. Most only set values, register plugins and name folders; that much
is understood here, statement by statement, and nothing else is: no import, no function, no loop,
no attribute that a value does not offer on purpose. ``python`` runs the others, if the site says.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from rollwright.errors import RolloutError
from rollwright.renderers.jinja.pages import TemplateFailure
from rollwright.renderers.tree.context import Context, Lent
from rollwright.renderers.tree.globs import Globs

LONGEST_VALUE = 2**20

_METHODS: Mapping[type, frozenset[str]] = {
    Globs: frozenset({"add", "extend", "add_first", "extend_first", "discard", "clear"}),
    Lent: frozenset({"append", "extend", "insert", "remove", "pop", "clear", "copy", "index"}),
    list: frozenset({"append", "extend", "insert", "remove", "pop", "clear", "copy", "index"}),
    dict: frozenset({"get", "copy"}),
    str: frozenset({"lower", "upper", "strip", "startswith", "endswith", "replace", "split"}),
}
"""What a script may call on values, beside what ``ktor`` offers."""

_NEEDS_PYTHON = "the site must list a renderer that runs Python (ScriptedTree)"


class Api:
    """A function that scripts and templates may call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, /, *args: Any, **values: Any) -> Any:
        """Call it."""
        return self._function(*args, **values)


class Silent:
    """``logger``: takes what a script tells, and keeps it to itself."""

    def __getattr__(self, name: str) -> Api:
        if name not in {"debug", "info", "warning", "error", "critical", "exception", "trace"}:
            raise AttributeError(f"no value {name!r}")
        return Api(lambda *_args, **_values: None)


def declare(source: str, file: str, ktor: Context) -> None:
    """Do what a script declares.

    Raises:
        TemplateFailure: It does more than that, or something fails; with its line.
    """
    try:
        module = ast.parse(source, file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
        words = error.msg if isinstance(error, SyntaxError) else str(error)
        raise TemplateFailure(file, line, f"not Python: {words}") from error
    _Script(file, {"ktor": ktor, "logger": Silent()}).run(module.body)


class _Script:
    def __init__(self, file: str, names: dict[str, Any]) -> None:
        self._file, self._names = file, names

    def run(self, statements: list[ast.stmt]) -> None:
        for one in statements:
            try:
                self._do(one)
            except TemplateFailure:
                raise
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise TemplateFailure(self._file, one.lineno, str(error)) from error
            except RolloutError as error:
                raise TemplateFailure(self._file, one.lineno, error.message) from error
            except RecursionError as error:
                raise TemplateFailure(self._file, one.lineno, "nested too deeply") from error

    def _do(self, one: ast.stmt) -> None:
        match one:
            case ast.Expr():
                self._value(one.value)
            case ast.Assign():
                self._assign_all(one.targets, self._value(one.value))
            case ast.AugAssign(op=ast.Add()):
                left = self._value(_read(one.target))
                self._assign(one.target, _sum(left, self._value(one.value)))
            case ast.If():
                self.run(one.body if self._value(one.test) else one.orelse)
            case ast.Delete():
                self._delete_all(one.targets)
            case ast.Pass():
                pass
            case _:
                raise self._refused(one)

    def _assign_all(self, targets: list[ast.expr], value: Any) -> None:
        for target in targets:
            self._assign(target, value)

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._names[target.id] = value
        elif isinstance(target, ast.Attribute):
            setattr(self._context(target), target.attr, value)
        elif isinstance(target, ast.Subscript):
            self._value(target.value)[self._value(target.slice)] = value
        else:
            raise self._refused(target)

    def _delete_all(self, targets: list[ast.expr]) -> None:
        for target in targets:
            if not isinstance(target, ast.Attribute):
                raise self._refused(target)
            delattr(self._context(target), target.attr)

    def _context(self, target: ast.Attribute) -> Context:
        owner = self._value(target.value)
        if not isinstance(owner, Context):
            raise self._refused(target)
        return owner

    def _value(self, one: ast.expr) -> Any:
        found = getattr(self, f"_{type(one).__name__.lower()}", None)
        if found is None:
            raise self._refused(one)
        return found(one)

    def _constant(self, one: ast.Constant) -> Any:
        return one.value

    def _name(self, one: ast.Name) -> Any:
        if one.id not in self._names:
            raise TemplateFailure(
                self._file, one.lineno, f"{one.id!r} is not known; {_NEEDS_PYTHON}"
            )
        return self._names[one.id]

    def _list(self, one: ast.List) -> list[Any]:
        return [self._value(item) for item in one.elts]

    def _tuple(self, one: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self._value(item) for item in one.elts)

    def _dict(self, one: ast.Dict) -> dict[Any, Any]:
        if any(key is None for key in one.keys):
            raise self._refused(one)
        pairs = zip(one.keys, one.values, strict=True)
        return {self._value(key): self._value(value) for key, value in pairs if key is not None}

    def _attribute(self, one: ast.Attribute) -> Any:
        owner = self._value(one.value)
        is_offered = isinstance(owner, Context | Silent) or one.attr in _methods(owner)
        if one.attr.startswith("_") or not is_offered:
            raise self._refused(one)
        return getattr(owner, one.attr)

    def _subscript(self, one: ast.Subscript) -> Any:
        owner = self._value(one.value)
        if not isinstance(owner, Context | Lent | list | tuple | dict | str):
            raise self._refused(one)
        return owner[self._value(one.slice)]

    def _slice(self, one: ast.Slice) -> slice:
        ends = (one.lower, one.upper, one.step)
        return slice(*(None if end is None else self._value(end) for end in ends))

    def _call(self, one: ast.Call) -> Any:
        starred = [arg for arg in one.args if isinstance(arg, ast.Starred)]
        if starred or any(keyword.arg is None for keyword in one.keywords):
            raise self._refused(one)
        function = self._value(one.func)
        is_method = isinstance(one.func, ast.Attribute) and callable(function)
        if not isinstance(function, Api) and not is_method:
            raise self._refused(one)
        args = [self._value(arg) for arg in one.args]
        values = {str(keyword.arg): self._value(keyword.value) for keyword in one.keywords}
        return _small(function(*args, **values))

    def _joinedstr(self, one: ast.JoinedStr) -> str:
        return str(_small("".join(str(self._value(part)) for part in one.values)))

    def _formattedvalue(self, one: ast.FormattedValue) -> str:
        if one.format_spec is not None or one.conversion >= 0:
            raise self._refused(one)
        return str(self._value(one.value))

    def _binop(self, one: ast.BinOp) -> Any:
        left, right = self._value(one.left), self._value(one.right)
        if isinstance(one.op, ast.Add):
            return _sum(left, right)
        if isinstance(one.op, ast.Div) and isinstance(left, PurePath) and isinstance(right, str):
            return left / right
        raise self._refused(one)

    def _boolop(self, one: ast.BoolOp) -> Any:
        is_and, found = isinstance(one.op, ast.And), None
        for part in one.values:
            found = self._value(part)
            if bool(found) is not is_and:
                break
        return found

    def _unaryop(self, one: ast.UnaryOp) -> Any:
        value = self._value(one.operand)
        if isinstance(one.op, ast.Not):
            return not value
        if isinstance(one.op, ast.USub) and isinstance(value, int | float):
            return -value
        raise self._refused(one)

    def _ifexp(self, one: ast.IfExp) -> Any:
        return self._value(one.body if self._value(one.test) else one.orelse)

    def _compare(self, one: ast.Compare) -> bool:
        left = self._value(one.left)
        for operator, comparator in zip(one.ops, one.comparators, strict=True):
            right = self._value(comparator)
            compare = _COMPARISONS.get(type(operator))
            if compare is None:
                raise self._refused(one)
            if not compare(left, right):
                return False
            left = right
        return True

    def _refused(self, one: ast.stmt | ast.expr) -> TemplateFailure:
        words = f"{_NAMES.get(type(one), type(one).__name__)} needs Python; {_NEEDS_PYTHON}"
        return TemplateFailure(self._file, one.lineno, words)


_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
}

_NAMES: Mapping[type, str] = {
    ast.Import: "an import",
    ast.ImportFrom: "an import",
    ast.FunctionDef: "a function",
    ast.AsyncFunctionDef: "a function",
    ast.Lambda: "a function",
    ast.ClassDef: "a class",
    ast.For: "a loop",
    ast.While: "a loop",
    ast.ListComp: "a loop",
    ast.DictComp: "a loop",
    ast.GeneratorExp: "a loop",
    ast.With: "`with`",
    ast.Try: "`try`",
    ast.Call: "this call",
    ast.Attribute: "this attribute",
    ast.BinOp: "this operator",
}


def _methods(owner: Any) -> frozenset[str]:
    return next((names for kind, names in _METHODS.items() if isinstance(owner, kind)), frozenset())


def _read(target: ast.expr) -> ast.expr:
    """Return a target of an assignment as a value."""
    return ast.copy_location(ast.parse(ast.unparse(target), mode="eval").body, target)


def _sum(left: Any, right: Any) -> Any:
    if isinstance(left, Lent):
        return _small([*left, *right])
    if type(left) is not type(right) and not isinstance(left, int | float):
        raise TypeError(f"cannot add a {type(right).__name__} to a {type(left).__name__}")
    return _small(left + right)


def _small(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > LONGEST_VALUE:
        raise ValueError(f"a value longer than {LONGEST_VALUE:,}")
    return value
