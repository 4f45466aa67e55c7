"""Charts, rendered by the ``helm`` program in a child process that has no network.

``renderer`` is the plugin, ``program`` finds and runs helm, ``chart`` looks a chart over before
helm does, ``pulling`` and ``dependencies`` fetch what the source does not hold, ``values`` and
``messages`` are what goes in and what comes back as a complaint, ``output`` makes objects.
"""

from __future__ import annotations

from rollwright.renderers.helm.renderer import Helm

__all__ = ["Helm"]
