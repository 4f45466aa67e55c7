"""Jinja: templates of manifests, rendered in a sandbox in a child process.

``renderer`` asks, ``child`` answers. ``environment`` is the sandbox, ``filters`` what templates
may call; ``pages`` renders and tells what went wrong, ``lines`` where; ``defined`` knows templates
by name, ``output`` makes objects of pages. Trees are rendered by the same parts.
"""
