"""TLS policies that a domain publishes, judged as senders that enforce them do: DANE and MTA-STS.

``tlsa`` reads TLSA records and ``sts_policy`` reads policies: text in, values out.  ``dane`` and
``mta_sts`` look up what the domain publishes, beside the test of its servers, and then judge the
sessions by it.  ``enforcement`` does that for the options that were given.  The room imports
``run`` and what is above.  A run without ``--dane`` and ``--mta-sts`` does not import it.
"""
