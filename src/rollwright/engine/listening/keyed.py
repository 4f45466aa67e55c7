"""Whether the keys of a trigger are rollouts of their own.

Before: a document says so, or leaves it to what starts its runs.
After: ``dispatch`` names the instances, ``listener`` tells the trigger.
"""

from __future__ import annotations

from rollwright.plugins.registry import Registry
from rollwright.rollouts.spec.own_triggers import Instances
from rollwright.rollouts.spec.trigger import TriggerSpec


def is_per_key(trigger: TriggerSpec, registry: Registry) -> bool:
    """Whether each key of a trigger is a rollout of its own.

    Raises:
        PluginNotFound: It names a plugin that is not there.
    """
    if trigger.instances is not None:
        return trigger.instances is Instances.PER_KEY
    found = (registry.find("triggers", use.name) for use in trigger.when)
    return any(getattr(plugin, "has_instances", False) for plugin in found)
