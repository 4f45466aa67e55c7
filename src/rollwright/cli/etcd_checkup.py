"""What ``doctor`` says of every etcd that the site uses.

Before: ``site.toml`` named it, for locks, states or limits.
After: ``checkup`` tries the locks and the store on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollwright.cli.diagnosis import Finding, Level
from rollwright.engine.site import Site
from rollwright.errors import RolloutError, Unreachable
from rollwright.etcd.access import Access, read_access
from rollwright.etcd.health import Health, look
from rollwright.etcd.options import EtcdOptions


async def etcd_findings(site: Site) -> tuple[Finding, ...]:
    """Look at every etcd once, one finding a member."""
    found: list[Finding] = []
    try:
        for access in dict.fromkeys(_accesses(site)):
            healths = await look(access)
            found += [_finding(one, may_miss=_is_majority(healths)) for one in healths]
    except RolloutError as error:
        found.append(_broken("etcd", error, Level.FAIL))
    return tuple(found)


def _accesses(site: Site) -> Iterator[Access]:
    for group, use, options in _uses(site):
        plugin = site.registry.build(group, use, options)
        if isinstance(plugin, EtcdOptions):
            yield read_access(plugin)


def _uses(site: Site) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Return everything that may be an etcd: kind of plugin, name, options."""
    file = site.loaded.file
    locks, store = file.locks["default"], file.stores["default"]
    yield "locks", locks.name, locks.options
    yield "stores", store.name, store.options
    for entry in filter(None, (file.limits.rollouts, file.limits.renders)):
        # Without options of its own a limit uses those of the locks, if they are of its kind.
        if entry.options or entry.use not in {None, locks.name}:
            yield "locks", entry.use or locks.name, entry.options


def _is_majority(healths: tuple[Health, ...]) -> bool:
    return 2 * sum(one.error is None for one in healths) > len(healths)


def _finding(one: Health, *, may_miss: bool) -> Finding:
    subject = f"etcd {one.endpoint}"
    if one.error is not None:
        return _broken(subject, one.error, Level.WARN if may_miss else Level.FAIL)
    size = f"{one.size_bytes / 1024**2:.1f} MiB"
    text = f"version {one.version}, {size}"
    if one.alarms:
        advice = "compact and defragment it, then `etcdctl alarm disarm`"
        return _warn(subject, f"{text}; alarms: {', '.join(one.alarms)}", advice)
    if not one.has_leader:
        return _warn(subject, f"{text}; it knows of no leader", "most of its members must run")
    if one.may_corrupt:
        advice = "versions 3.5.0 to 3.5.2 may lose what was written: upgrade it"
        return _warn(subject, text, advice)
    return Finding(level=Level.OK, subject=subject, text=text)


def _warn(subject: str, text: str, advice: str) -> Finding:
    return Finding(level=Level.WARN, subject=subject, text=text, advice=advice)


def _broken(subject: str, error: RolloutError, level: Level) -> Finding:
    return Finding(
        level=level,
        subject=subject,
        text=error.message.removeprefix(f"{subject}: "),
        advice=error.hint or "",
        is_unreachable=isinstance(error, Unreachable) and level is Level.FAIL,
    )
