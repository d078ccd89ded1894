"""What is known of Microsoft Exchange, and of what answers in front of it; no I/O.

``profiles`` says what each generation offers, ``recognition`` which one answered, ``failures``
what its replies mean and what to do; ``diagnosis`` searches in that table.  It imports
``protocol`` and what is above, never ``net``.
"""
