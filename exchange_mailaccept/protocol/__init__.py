"""SMTP and DNS: bytes, values and generators, without a socket or a clock.

``reply`` reads what a server says, and ``message`` writes the commands of the envelope and the
probe.  ``conversation`` has what a generator may ask for, the answers and the results;
``further_requests`` has more of them.  ``dialogue`` walks through the stages of one server, with
``auth`` for the logon, ``further_transactions`` for ``--refuse``, and ``out_of_step`` for replies
that belong to earlier commands.  ``security`` is what TLS agreed on.  ``mx`` finds the servers of a
domain, and is the only module that knows dnspython.  The room imports ``cli`` and what is above.
"""
