"""How figures are printed: plain text, aligned, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.figures import Results, Summary, ratio, summarize
from benchmarks.goals import LIMIT, Verdict

NOTHING = "-"
_HEAD = ("peer", "min s", "median s", "max s", "x limit", "CPU s", "server's", "API calls")
_BRIEF_HEAD = ("peer", "min ms", "median ms", "max ms", "x memory", "CPU ms", "counted")
_GOAL_HEAD = ("case", "who", "goal", "", "measured", "")
_WORDS = {True: "reached", False: "NOT REACHED", None: "not measured"}


def columns(rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> Iterator[str]:
    """Yield lines in which every column is as wide as its widest cell."""
    rows = [tuple(row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    to_the_right = frozenset(right)
    for row in rows:
        cells = (
            cell.rjust(width) if number in to_the_right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def case_table(results: Results, case: str) -> Iterator[str]:
    """Yield the table of one case: a line for each peer."""
    rows = [_HEAD, *(_row(results, case, peer) for peer in results.peers(case))]
    yield case
    yield from (f"  {line}" for line in columns(rows, right=range(1, 7)))
    for peer in results.peers(case):
        if parts := results.parts(case, peer):
            yield f"  {peer}: {words(parts)}"
        for failure in results.failures(case, peer):
            yield f"  {peer} failed: {failure}"


def brief_table(results: Results, case: str, base: str) -> Iterator[str]:
    """Yield the table of one case of parts of a run, in milliseconds beside those of a base."""
    rows = [_BRIEF_HEAD, *(_brief_row(results, case, peer, base) for peer in results.peers(case))]
    yield case
    yield from (f"  {line}" for line in columns(rows, right=range(1, 6)))
    for peer in results.peers(case):
        for failure in results.failures(case, peer):
            yield f"  {peer} failed: {failure}"


def goal_table(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield every goal beside what was measured."""
    rows = [
        (one.case, one.who, one.text, one.goal, one.figure or NOTHING, _WORDS[one.is_reached])
        for one in verdicts
    ]
    yield from columns([_GOAL_HEAD, *rows], right=(3, 4))


def words(parts: Mapping[str, float]) -> str:
    """Return parts of a run with their seconds, for one line."""
    return ", ".join(f"{name} {seconds:.3f}" for name, seconds in parts.items())


def calls_text(calls: Mapping[str, int]) -> str:
    """Return requests by what they were, for one cell."""
    return ", ".join(f"{count} {word}" for word, count in calls.items()) or NOTHING


def _row(results: Results, case: str, peer: str) -> tuple[str, ...]:
    seconds = results.seconds(case, peer)
    base = results.seconds(case, LIMIT) or results.seconds("M again", LIMIT)
    found = ratio(seconds, base)
    return (
        peer,
        *_figures(summarize(seconds.values())),
        NOTHING if found is None else f"{found:.2f}",
        *(f"{one:.2f}" for one in results.cpu(case, peer)),
        calls_text(results.calls(case, peer)),
    )


def _brief_row(results: Results, case: str, peer: str, base: str) -> tuple[str, ...]:
    seconds = results.seconds(case, peer)
    found = ratio(seconds, results.seconds(case, base))
    summary = summarize(one * 1e3 for one in seconds.values())
    own, _ = results.cpu(case, peer)
    return (
        peer,
        *_figures(summary),
        NOTHING if found is None else f"{found:.1f}",
        f"{own * 1e3:.1f}",
        calls_text(results.calls(case, peer)),
    )


def _figures(summary: Summary | None) -> tuple[str, str, str]:
    if summary is None:
        return NOTHING, NOTHING, NOTHING
    return f"{summary.least:.3f}", f"{summary.median:.3f}", f"{summary.most:.3f}"
