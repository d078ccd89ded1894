"""Sockets, TLS, clock and deadline: the only room that does I/O.

``loop`` drives the generators of ``protocol``; each request they make is an ``operation``, one
module for each kind.  Errors of the system become values here and travel no further as
exceptions.  It imports ``protocol`` and what is above, never ``exchange``.
"""
