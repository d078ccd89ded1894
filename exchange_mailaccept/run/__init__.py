"""A whole run: one target, its servers one after another, or all of them at once.

``acceptance`` finds the servers of a target and tries them as a sender does, with
``first_to_greet`` if there are several, and adds what their replies mean.  ``server_set`` tests all
of them.  ``look_up`` asks for names, ``silent_addresses`` finds dead ones, ``expected_mx`` compares
the MX with those that a domain should have, and ``doors`` says which recipients were accepted that
should be refused.  The room imports ``exchange``, ``net`` and what is above.
"""

#: Seconds that a session has at least, if others wait for its end.
LEAST_PATIENCE = 1.0
