"""What a trigger does beside its firings: it freshens them when they run, and lets go of subjects.

Before: it is the turn of a firing, or an instance was removed.
After: the run has what it is about as that is now; nothing keeps what is gone any longer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from rollwright.engine.listening.declared import declared_in
from rollwright.engine.listening.dispatch import Dispatcher
from rollwright.engine.listening.listener import Listened, Listening
from rollwright.engine.listening.pending import Pending, is_pending
from rollwright.engine.listening.running import BY_PERSON, LocalRunner
from rollwright.engine.site import Site
from rollwright.plugins.contracts import TriggerAttendant
from rollwright.rollouts.instances import instance_name


async def freshened(site: Site, pending: Pending) -> Pending | None:
    """Return what is to be run, with the newest of what it is about, where nobody listens.

    A run that another process makes has only what is noted of it, which is not all.

    Raises:
        RolloutError: It cannot be read.
    """
    declared = await asyncio.to_thread(declared_in, site.loaded)
    runner = LocalRunner(site, declared.rollouts)
    dispatcher = Dispatcher(site=site, declared=declared, runner=runner)
    return await Attending(Listening(site=site, dispatcher=dispatcher)).freshen(pending)


@dataclass(frozen=True, slots=True)
class Attending:
    """The triggers of a site, as runs need them."""

    listening: Listening

    async def freshen(self, pending: Pending) -> Pending | None:
        """Return what is to be run, with the newest of what it is about.

        ``None`` means that there is nothing left to run for.

        Raises:
            RolloutError: It cannot be read.
        """
        found = self._of(pending)
        is_given = pending.kind in BY_PERSON and (pending.firing.config or not pending.firing.key)
        if found is None or is_given or not isinstance(found.plugin, TriggerAttendant):
            return pending
        firing = await found.plugin.freshen(self.listening.request(found), pending.firing)
        if firing is None:
            return None
        # What a person waits for stays what it is, whatever the object says.
        token = pending.firing.token if pending.kind in BY_PERSON else ""
        return replace(pending, firing=replace(firing, token=token or firing.token))

    async def removed(self, pending: Pending) -> None:
        """Let go of a subject once nothing is left of any instance that was made for it.

        Raises:
            RolloutError: It could not be let go of.
        """
        found = self._of(pending)
        if found is None or not isinstance(found.plugin, TriggerAttendant):
            return
        site, declared = self.listening.site, self.listening.dispatcher.declared
        for one in declared.chosen(found.trigger):
            name = instance_name(one.spec.name, pending.firing.key)
            if one.spec.name == pending.rollout or name == pending.instance:
                continue
            if await is_pending(site, name, one.spec.target.cluster):
                return  # the last of them lets go
        await found.plugin.removed(self.listening.request(found), pending.firing)

    def _of(self, pending: Pending) -> Listened | None:
        """Return which plugin fired; a trigger may have several."""
        alike = [
            one
            for one in self.listening.all()
            if one.trigger.name == pending.trigger
            and (one.use.name == pending.kind or _attends(one, pending))
        ]
        exact = [one for one in alike if pending.firing.id.startswith(f"{one.name}:")]
        return next(iter((*exact, *alike)), None)


def _attends(listened: Listened, pending: Pending) -> bool:
    """Whether a person fired it by hand: then it has what the trigger would bring, too."""
    return pending.kind in BY_PERSON and isinstance(listened.plugin, TriggerAttendant)
