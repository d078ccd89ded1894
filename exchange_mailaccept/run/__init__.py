"""A whole run: one target, its servers one after another, or all of them at once.

``servers`` finds the servers of a target, ``acceptance`` tries them as a sender does,
``server_set`` tests all of them and weighs the outcome, ``examined`` joins what a server said with
what it means.  It imports ``exchange``, ``net`` and what is above.
"""
