"""Postfix, which delivers the pages of the engines into the mailbox of whom they are for."""

from __future__ import annotations

import email
import email.policy
import os
import pwd
import subprocess
from email.message import EmailMessage
from pathlib import Path

from running import Child, wait_for
from support.programs import find_program, unavailable

#: Without any network: what is sent comes from the program sendmail.
MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev/stdout
myhostname = monitoring.example.com
mydestination =
default_transport = error
relay_transport = error
virtual_mailbox_domains = example.com
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = inline:{{ exchange-oncall@example.com=oncall/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
biff = no
"""
MASTER_CF = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


class PostOffice:
    """A running Postfix; ``directory`` must be one that every user may enter."""

    def __init__(self, directory: Path) -> None:
        if os.geteuid() != 0:
            unavailable("Postfix can be started by root only")
        master = find_program("master", "postfix")
        self._sendmail = find_program("sendmail", "postfix")
        self._configuration = directory / "etc"
        self._mailbox = directory / "mail" / "oncall" / "new"
        nobody, postfix = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        for name, owner in (("etc", 0), ("queue", 0), ("data", postfix.pw_uid),
                            ("mail", nobody.pw_uid)):  # fmt: skip
            (directory / name).mkdir()
            os.chown(directory / name, owner, -1)
        (self._configuration / "main.cf").write_text(
            MAIN_CF.format(directory=directory, uid=nobody.pw_uid, gid=nobody.pw_gid)
        )
        (self._configuration / "master.cf").write_text(MASTER_CF)
        # Makes the queue's directories.
        subprocess.run(
            [find_program("postfix", "postfix"), "-c", self._configuration, "check"],
            stdin=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        # Not "postfix start-fg", whose master is in a session of its own and survives its parent.
        self._child = Child(
            [master, "-d"], directory / "log", {"MAIL_CONFIG": str(self._configuration)}
        )

        def is_ready() -> bool:
            self._child.check_running()
            return (directory / "queue" / "public" / "pickup").exists()

        wait_for(is_ready, "Postfix takes mail")

    def put_sendmail(self, program: Path) -> None:
        """Make ``program`` the sendmail of this Postfix."""
        program.write_text(
            f'#!/bin/sh\nMAIL_CONFIG={self._configuration} exec {self._sendmail} "$@"\n'
        )
        program.chmod(0o755)

    def delivered(self, subject: str) -> list[EmailMessage]:
        """The mails in the mailbox whose subject begins so."""
        messages = [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in sorted(self._mailbox.glob("*"))
        ]
        found = []
        for message in messages:
            assert isinstance(message, EmailMessage)
            if message["Subject"].startswith(subject):
                found.append(message)
        return found

    def wait_for_one(self, subject: str) -> EmailMessage:
        """The only mail whose subject begins so."""
        (message,) = wait_for(lambda: self.delivered(subject), f"a mail about {subject!r}")
        assert isinstance(message, EmailMessage)
        return message

    def stop(self) -> None:
        self._child.stop()
