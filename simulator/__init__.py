"""An SMTP server that poses as Microsoft Exchange, for tests and for rehearsing an alert chain.

It speaks real SMTP on the loopback interface, with the banner, the EHLO keywords and the reply
texts of the chosen generation, and it misbehaves as told: by ``--reply``, ``--delay``, ``--drop``
and ``--without``, or by the name of a fault, ``--scenario``.  It needs aiosmtpd 1.4 or later.
"""
