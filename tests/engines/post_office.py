"""Postfix, which delivers the pages of the engines into the mailbox of whom they are for."""

from __future__ import annotations

import email
import email.policy
import os
from email.message import EmailMessage
from pathlib import Path

from support.postfix import configure
from support.programs import Child, find_program, find_user, wait_for

MAIN_CF = """\
myhostname = monitoring.example.com
virtual_mailbox_domains = example.com
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = inline:{ exchange-oncall@example.com=oncall/ }
virtual_uid_maps = static:UID
virtual_gid_maps = static:65534
"""
#: Without any network: what is sent comes from the program sendmail.
SERVICES = """\
pickup unix n - n 60 1 pickup
virtual unix - n n - - virtual
"""


class PostOffice:
    """A running Postfix; ``directory`` must be one that every user may enter."""

    def __init__(self, directory: Path) -> None:
        nobody = find_user("nobody", "base-passwd")
        command, environment = configure(directory, MAIN_CF.replace("UID", str(nobody)), SERVICES)
        self._configuration = environment["MAIL_CONFIG"]
        self._sendmail = find_program("sendmail", "postfix")
        self._mailbox = directory / "mail" / "oncall" / "new"
        (directory / "mail").mkdir()
        os.chown(directory / "mail", nobody, -1)
        self._child = Child(command, directory / "log", environment)
        pickup = directory / "queue" / "public" / "pickup"
        self._child.wait_until(pickup.exists, "it takes mail")

    def put_sendmail(self, program: Path) -> None:
        """Make ``program`` the sendmail of this Postfix."""
        program.write_text(
            f'#!/bin/sh\nMAIL_CONFIG={self._configuration} exec {self._sendmail} "$@"\n'
        )
        program.chmod(0o755)

    def delivered(self, subject: str) -> list[EmailMessage]:
        """The mails in the mailbox whose subject begins so."""
        messages = (
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in sorted(self._mailbox.glob("*"))
        )
        return [message for message in messages if message["Subject"].startswith(subject)]

    def wait_for_one(self, subject: str) -> EmailMessage:
        """The only mail whose subject begins so."""
        (message,) = wait_for(lambda: self.delivered(subject), f"a mail about {subject!r}")
        return message

    def stop(self) -> None:
        self._child.stop()
