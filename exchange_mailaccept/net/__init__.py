"""Sockets, TLS, clock and deadline: the only room that does I/O.

``loop`` drives the generators of ``protocol``.  Each of their requests becomes an ``operation`` in
``connection``, ``tls``, ``name_server`` or ``blocking_call``.  Errors of the operating system
become values here.  The room imports ``protocol`` and what is above, never ``exchange``.
"""
