"""The engine: names become ports, stages become a run.

Before: ``rollouts`` decides, plugins and ``kube`` act through their ports.
After: ``flows`` and the command line call the walk.

``documents``  the files a user writes, from disk to values
``site_file``  the installation: site.toml and the environment over it
"""
