"""What is known of Microsoft Exchange, and of what answers in front of it; no I/O.

``profiles`` says what each generation offers, ``recognition`` which one answered, ``failures``
what its replies mean and what to do, ``reasons`` the same of any mail server; ``diagnosis``
searches in both.  It imports
``protocol`` and what is above, never ``net``.
"""

#: Seconds by which Exchange holds back at least what it accepts and delays (see ``delays``).  It is
#: no limit of Exchange's, but what a healthy server stays below.  It is here because each run asks,
#: and ``delays`` is imported only by one that has a slow reply.
LEAST_DELAY = 3
#: The keywords that announce TLS, and the two of the original test (Microsoft: *Mail Acceptance
#: Failure*).  They are here because ``profiles`` is imported only by a run that asks for one.
OFFERS_TLS = ("STARTTLS", "X-ANONYMOUSTLS")
EXMFA = ("X-LINK2STATE", "XEXCH50")
