"""Rollwright measured beside its peers, on a real control plane of this machine.

``python -m benchmarks`` runs inputs M and K, and ``stores`` and ``locks`` in small; ``scale`` and
``start`` are two more cases. Nothing is installed elsewhere, everything listens on loopback, and
every run starts on a fresh sandbox, so that no run finds what another one left.

    inputs    what is rolled out: M is generated, K is a folder of manifests
    chart     the same objects as a Helm chart
    tools     where kubectl and helm come from
    machine   what was measured, and on what
    sandboxes a fresh control plane for each run, warmed up in the same way for all
    audit     which requests a peer sent, as the server wrote them down
    limit     the same objects as bare requests: nobody can be faster
    engine    Rollwright's walk in a process of its own, split by stage
    peers     who is measured, and what each of them runs
    rounds    the peers in turn, round by round
    servers   an etcd, a PostgreSQL, git over HTTP
    keepers   each store with its server
    relay     how many bytes a client sends
    stores    what it costs to remember a rollout
    locks     what it costs to exclude others
    figures   from seconds to medians and ratios
    goals     what is to be reached
    tables    how it is printed

A benchmark is not a test: it prints what is, and asserts nothing.
"""
