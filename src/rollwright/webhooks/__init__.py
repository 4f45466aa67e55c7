"""The receiver of deliveries: a small HTTP server of its own, the only part that others reach.

Before: ``rollwright listen`` made the service of a site. After: its triggers read what came in.

``app`` answers a request; ``intake`` is what a delivery goes through; ``rates``, ``replays``,
``senders`` and ``audit`` are what it meets on the way; ``book`` knows the addresses; ``server``
holds the port. No API of Prefect is behind any of it.
"""
