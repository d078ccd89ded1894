"""SMTP and DNS: bytes, values and generators, without a socket or a clock.

``reply`` reads what a server says; ``message`` writes the envelope and the probe.  ``conversation``
and ``further_requests`` have what a generator may ask for, and the answers.  ``dialogue`` walks
through the stages of one server, ``talk`` says the commands, ``auth`` logs on, ``out_of_step`` and
``further_transactions`` come after the test.  ``security`` is what TLS agreed on.  ``mx`` finds the
servers of a domain; ``dns_message`` alone knows dnspython.  The room imports ``cli`` and what is
above.
"""
