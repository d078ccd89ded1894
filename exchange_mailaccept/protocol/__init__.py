"""SMTP and DNS: bytes, values and generators, without a socket or a clock.

``stages`` has the values that a walk brings back, ``requests`` what a generator may ask for and
the answer to each.  ``dialogue`` walks the stages of one server, with ``auth`` for the logon,
``race`` for servers beside one another and ``out_of_step`` for replies that came too late.  ``mx``
finds the servers of a domain and is the only module that knows dnspython.  It imports ``cli`` and
what is above.
"""
