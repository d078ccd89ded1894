"""Knowledge of Microsoft Exchange, and of the servers and devices in front of it; no I/O.

``profiles`` has what each generation offers, and ``recognition`` tells which one answered.
``failures`` has the meaning of Exchange's replies, ``reasons`` that of any mail server's, and
``diagnosis`` searches both.  The room imports ``protocol`` and what is above, never ``net``.
"""

#: Seconds; a positive reply of a healthy server takes less (see ``delays``).  It is here because
#: each run needs it, and only a run with a slow reply imports ``delays``.
LEAST_DELAY = 3
#: The keywords that announce TLS, and the two of the original test (Microsoft: *Mail Acceptance
#: Failure*).  They are here because ``profiles`` is imported only by a run that asks for one.
OFFERS_TLS = ("STARTTLS", "X-ANONYMOUSTLS")
EXMFA = ("X-LINK2STATE", "XEXCH50")
