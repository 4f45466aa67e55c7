"""What the deliveries of git forges say.

Before: ``bodies`` read one. After: ``choice`` compares the push with the sources of rollouts.

A forge lists the files of a push only up to a limit. Where more commits were pushed than it lists,
or history was rewritten, what changed counts as not known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from rollwright.plugins.contracts import Push
from rollwright.triggers.webhook.meaning import (
    PING,
    Meaning,
    Sent,
    at,
    instant,
    items,
    person,
    text,
    texts,
)

HEADS = "refs/heads/"
TAGS = "refs/tags/"
KIN = ("gitea", "forgejo", "gogs")
"""What Gitea and its kin call their headers."""
_MOST_COMMITS = 2048
"""GitHub lists no more."""
_LISTS = ("added", "modified", "removed")


def github(sent: Sent) -> Meaning:
    """Read a delivery of GitHub."""
    return _like_github(sent, sent.headers.get("x-github-event", ""), "x-github-delivery")


def gitea(sent: Sent) -> Meaning:
    """Read a delivery of Gitea, or of Forgejo or Gogs, which speak alike."""
    name = next((one for one in KIN if sent.headers.get(f"x-{one}-event")), KIN[0])
    return _like_github(sent, sent.headers.get(f"x-{name}-event", ""), f"x-{name}-delivery")


def _like_github(sent: Sent, event: str, id_header: str) -> Meaning:
    body = sent.body
    is_push = event == "push"
    return Meaning(
        event=PING if event == "ping" else event,
        id=sent.headers.get(id_header, ""),
        pushes=_pushes_like_github(body, is_push=is_push),
        is_push=is_push,
        actor=person(
            text(body, "sender", "login"),
            text(body, "pusher", "name"),
            text(body, "pusher", "login"),
        ),
    )


def _pushes_like_github(body: Any, *, is_push: bool) -> tuple[Push, ...]:
    repository = at(body, "repository")
    if repository is None:
        return ()
    urls = ("clone_url", "ssh_url", "git_url", "html_url")
    new = _commit(text(body, "after"))
    is_rewritten = at(body, "forced") is True or at(body, "created") is True
    return (
        Push(
            repository=text(repository, "full_name"),
            urls=_present(*(text(repository, name) for name in urls)),
            ref=text(body, "ref") if is_push else "",
            default_branch=text(repository, "default_branch"),
            old=_commit(text(body, "before")),
            new=new,
            changed=None if is_rewritten or not is_push else _listed(body, "total_commits"),
            is_deleted=is_push and (at(body, "deleted") is True or _is_zero(text(body, "after"))),
        ),
    )


def gitlab(sent: Sent) -> Meaning:
    """Read a delivery of GitLab."""
    body = sent.body
    kind = text(body, "object_kind") or text(body, "event_name")
    project, is_push = at(body, "project"), kind in {"push", "tag_push"}
    urls = ("git_http_url", "git_ssh_url", "web_url")
    push = Push(
        repository=text(project, "path_with_namespace"),
        urls=_present(*(text(project, name) for name in urls)),
        ref=text(body, "ref") if is_push else "",
        default_branch=text(project, "default_branch"),
        old=_commit(text(body, "before")),
        new=_commit(text(body, "after")),
        changed=_listed(body, "total_commits_count") if kind == "push" else None,
        is_deleted=is_push and _is_zero(text(body, "after")),
    )
    return Meaning(
        event=kind,
        # NB: X-Gitlab-Event-UUID is the same for all hooks that one event sets off, one after
        # another; this one is that of the delivery and its repetitions.
        id=sent.headers.get("idempotency-key", ""),
        pushes=(push,) if project is not None else (),
        is_push=is_push,
        actor=person(text(body, "user_username"), text(body, "user", "username")),
    )


def bitbucket(sent: Sent) -> Meaning:
    """Read a delivery of Bitbucket Cloud, which names no files."""
    body, event = sent.body, sent.headers.get("x-event-key", "")
    repository = at(body, "repository")
    name, page = text(repository, "full_name"), text(repository, "links", "html", "href")
    urls = _present(page or (f"https://bitbucket.org/{name}" if name else ""))
    changes = items(body, "push", "changes")
    pushes = tuple(_bitbucket_push(name, urls, one) for one in changes)
    is_push = event == "repo:push"
    if not is_push and repository is not None:
        pushes = (Push(repository=name, urls=urls),)
    return Meaning(
        event=PING if event == "diagnostics:ping" else event,
        id=sent.headers.get("x-request-uuid", ""),
        pushes=pushes,
        is_push=is_push,
        actor=person(text(body, "actor", "nickname"), text(body, "actor", "display_name")),
    )


def _bitbucket_push(name: str, urls: tuple[str, ...], change: Any) -> Push:
    new, old = at(change, "new"), at(change, "old")
    there = new if new is not None else old
    prefix = HEADS if text(there, "type") in {"branch", "named_branch", "bookmark"} else TAGS
    return Push(
        repository=name,
        urls=urls,
        ref=f"{prefix}{text(there, 'name')}",
        old=text(old, "target", "hash"),
        new=text(new, "target", "hash"),
        is_deleted=new is None or at(change, "closed") is True,
    )


def bitbucket_server(sent: Sent) -> Meaning:
    """Read a delivery of Bitbucket Server or Data Center."""
    body, event = sent.body, sent.headers.get("x-event-key", "")
    repository = at(body, "repository")
    slug, key = text(repository, "slug"), text(repository, "project", "key")
    name = f"{key}/{slug}" if key and slug else ""
    links = items(repository, "links", "clone")
    urls = _present(*(text(one, "href") for one in links))
    is_push = event == "repo:refs_changed"
    pushes = tuple(_server_push(name, urls, one) for one in items(body, "changes"))
    if not is_push and repository is not None:
        pushes = (Push(repository=name, urls=urls),)
    return Meaning(
        event=PING if event == "diagnostics:ping" else event,
        id=sent.headers.get("x-request-id", ""),
        pushes=pushes,
        is_push=is_push,
        sent_at=instant(_with_colon(text(body, "date"))),
        actor=person(text(body, "actor", "name"), text(body, "actor", "displayName")),
    )


def _server_push(name: str, urls: tuple[str, ...], change: Any) -> Push:
    return Push(
        repository=name,
        urls=urls,
        ref=text(change, "ref", "id") or text(change, "refId"),
        old=_commit(text(change, "fromHash")),
        new=_commit(text(change, "toHash")),
        is_deleted=text(change, "type") == "DELETE" or _is_zero(text(change, "toHash")),
    )


def azure(sent: Sent) -> Meaning:
    """Read a delivery of Azure DevOps."""
    body, resource = sent.body, at(sent.body, "resource")
    repository, event = at(resource, "repository"), text(sent.body, "eventType")
    project, name = text(repository, "project", "name"), text(repository, "name")
    known = Push(
        repository=f"{project}/{name}" if project else name,
        # The address is written with blanks where names have them.
        urls=_present(quote(text(repository, "remoteUrl"), safe=":/@%")),
        default_branch=text(repository, "defaultBranch").removeprefix(HEADS),
    )
    is_push = event == "git.push"
    updates = items(resource, "refUpdates")
    pushes = tuple(_azure_push(known, one) for one in updates)
    if not is_push and repository is not None:
        pushes = (known,)
    return Meaning(
        event=event,
        id=text(body, "id"),
        pushes=pushes,
        is_push=is_push,
        sent_at=instant(text(body, "createdDate")),
        actor=person(
            text(resource, "pushedBy", "uniqueName"), text(resource, "pushedBy", "displayName")
        ),
    )


def _azure_push(known: Push, update: Any) -> Push:
    new = text(update, "newObjectId")
    return replace(
        known,
        ref=text(update, "name"),
        old=_commit(text(update, "oldObjectId")),
        new=_commit(new),
        is_deleted=_is_zero(new),
    )


def _listed(body: Any, count: str) -> tuple[str, ...] | None:
    """Return the files that the commits of a push touched; ``None`` where some may be missing."""
    commits, total = items(body, "commits"), at(body, count)
    is_whole = total is None or total == len(commits)
    if not commits or len(commits) >= _MOST_COMMITS or not is_whole:
        return None
    if any(not isinstance(at(one, name), list) for one in commits for name in _LISTS):
        return None
    names = (name for one in commits for part in _LISTS for name in texts(one, part))
    return tuple(dict.fromkeys(names))


def _present(*urls: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url for url in urls if url))


def _commit(value: str) -> str:
    return "" if _is_zero(value) else value


def _is_zero(value: str) -> bool:
    """Whether an id stands for nothing: the ref was not there before, or is gone."""
    return bool(value) and set(value) == {"0"}


def _with_colon(date: str) -> str:
    """Write an offset such as +0200 as RFC 3339 has it."""
    has_offset = len(date) > 5 and date[-5] in "+-" and date[-4:].isdigit()
    return f"{date[:-2]}:{date[-2:]}" if has_offset else date
