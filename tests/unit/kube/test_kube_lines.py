"""Lines out of chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rollwright.errors import Unreachable
from rollwright.kube.watch import lines


async def cut(*chunks: bytes) -> list[bytes]:
    async def give() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [line async for line in lines(give())]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((b"a\nb\n",), [b"a", b"b"]),
        ((b"a", b"b\nc", b"\n"), [b"ab", b"c"]),
        ((b"a\n\n \nb\n",), [b"a", b"b"]),
        ((b"a\nto", b"rn"), [b"a"]),
        ((b"a", b"\n", b"b\n"), [b"a", b"b"]),
        ((b"ab\ncd\nef", b"gh\n"), [b"ab", b"cd", b"efgh"]),
        ((), []),
    ],
)
async def test_lines_are_put_together(chunks: tuple[bytes, ...], expected: list[bytes]) -> None:
    assert await cut(*chunks) == expected


async def test_a_line_without_end_is_given_up() -> None:
    with pytest.raises(Unreachable):
        await cut(*[b"x" * 2**20] * 40)
