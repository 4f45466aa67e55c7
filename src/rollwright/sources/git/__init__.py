"""The source that takes files from a git repository.

``options`` is what a document may say, ``refs`` turns a name into a commit, ``cache`` keeps what
was fetched on this machine, ``trees`` the files of single commits, ``source`` joins them.
"""
