"""A whole run: one target, its servers one after another, or all of them at once.

``servers`` finds the servers of a target.  ``acceptance`` tries them as a sender does, or
``server_set`` tests all of them, with ``labels`` for their perfdata.  ``examined`` adds what a
server's replies mean.  The room imports ``exchange``, ``net`` and what is above.
"""
