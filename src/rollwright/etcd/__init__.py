"""What locks, limits and stores share when they stand on etcd: one client, one session a process.

``options`` is what people write, ``access`` what is made of it on this machine; ``client`` sends
calls to one of several endpoints, ``watch`` and ``session`` keep something alive over them, and
``line`` is the queue that locks and limits are made of. Nothing here imports gRPC or etcd3 before
the first call is sent: ``shim`` does, and nothing else.
"""
