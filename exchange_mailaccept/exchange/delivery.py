"""What it means, and what to do, where mail is accepted and the probes do not arrive as wanted.

Imported only with ``--delivered``.
"""

from __future__ import annotations

from ..vocabulary import Kind
from .diagnosis import Diagnosis
from .pages import PAGES

#: The newest probe that has arrived is too old.  START is replaced by the time when it was sent.
LATE = Diagnosis(
    Kind.SERVER,
    "Mail is accepted and not delivered: it waits inside, or is lost there. Senders do not notice",
    "Get-Queue on every server, the submission queue too; Get-MessageTrackingLog -Sender SENDER"
    " -Recipients RECIPIENT -Start START shows how far the oldest missing probe came. Then: the"
    " antimalware engine (events of FIPFS), a mailbox database that is dismounted or full"
    " (Get-MailboxDatabase -Status), a transport rule or agent, the quarantine, the mailbox's"
    " quota, the certificate of a hybrid connector, the servers' clocks.",
    PAGES["queues"].address,
    "queues",
)
#: None has ever arrived.
NEVER = Diagnosis(
    Kind.PROBE,
    "No probe of this service is in the mailbox, not even the one just sent, so nothing is known of"
    " the delivery",
    "Is it the mailbox of RECIPIENT? Is there a rule that deletes or moves the probe? Else"
    " Get-MessageTrackingLog -Sender SENDER -Recipients RECIPIENT shows what became of it; a longer"
    " -t gives it more time.",
    PAGES["queues"].address,
    "queues",
)
#: The mailbox can't be reached, or refuses the logon.
UNSEEN = Diagnosis(
    Kind.PROBE,
    "Nothing is known of the delivery: the probe's mailbox can't be looked into, and mail may well"
    " arrive",
    "Is IMAP started (Get-Service MSExchangeImap4, MSExchangeIMAP4BE), and allowed for the mailbox"
    " (Get-CASMailbox: ImapEnabled)? Has its password or token expired? Is there a way through the"
    " firewall from here?",
    "",
    "mail-flow",
)
#: It arrived in another folder.
MISPLACED = Diagnosis(
    Kind.POLICY,
    "The probe is delivered and does not reach the inbox; filters may treat other mail like it",
    "Look at its headers X-Forefront-Antispam-Report and X-MS-Exchange-Organization-SCL; is SENDER"
    " permitted to send from this host (SPF)? Is there a rule in the mailbox?",
    "",
    "mail-flow",
)
#: It took too long.
SLOW = Diagnosis(
    Kind.LOAD,
    "Mail arrives, but late",
    "The probe's way below shows at which server it waited: there Get-Queue, free disk and memory.",
    PAGES["back-pressure"].address,
    "queues",
)
