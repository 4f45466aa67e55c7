"""``webhook``: a forge, a registry or anybody with a secret says that there is something new.

``options`` is what a document may say, ``tokens`` its secrets, ``origin`` and ``signed_tokens``
show who sent a delivery, ``bodies`` reads its text, ``forges``, ``registries`` and ``plain`` what
it means for each kind of sender (``kinds`` has the table of them), ``choice`` which rollouts it
is about, and ``reader`` joins them.
"""
