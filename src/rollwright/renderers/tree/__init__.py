"""Scripted trees: folders that are walked, each with values, templates, manifests and a script.

``renderer`` asks, ``child`` answers. ``walk`` goes through the folders, ``context`` carries values
from a folder to those below, ``globs`` chooses; ``scripts`` reads what a script declares without
running it, ``resources`` and the modules named after plugins take what folders hold.
"""
