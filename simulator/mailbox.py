"""The mailbox in which the simulator's mail arrives, and the IMAP server that shows it (RFC 3501).

Just as much of IMAP as ``--delivered`` of the plugin needs, over TLS.
"""

from __future__ import annotations

import asyncio
import base64
import email.parser
import email.utils
import imaplib
import re
import ssl
import time
from collections.abc import Iterator
from typing import Optional

#: Whom the server lets in.
USER, PASSWORD = "probe@contoso.com", "secret"
INBOX, JUNK = "INBOX", "Junk Email"
#: What becomes of an accepted message; of a lost one an earlier one had arrived.
FATES = ("delivered", "junk", "lost")
#: Age of the probe that had arrived before all others were lost, in seconds.
AGE_OF_THE_LAST = 42 * 60


class Letter:
    """A message in a folder."""

    def __init__(self, uid: int, content: bytes, arrived: float) -> None:
        self.uid = uid
        self.content = content
        self.arrived = arrived
        self.flags: set[str] = set()

    def fields(self, names: str) -> bytes:
        """The header fields that have one of ``names``, as they are, and an empty line."""
        header = self.content.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        fields = re.split(rb"\n(?![ \t])", header)
        wanted = names.lower().split()
        kept = [field for field in fields if field.partition(b":")[0].decode().lower() in wanted]
        return b"".join(field.replace(b"\n", b"\r\n") + b"\r\n" for field in kept) + b"\r\n"

    def fetched(self, number: int, items: str) -> bytes:
        """The response to FETCH."""
        date = imaplib.Time2Internaldate(self.arrived)
        about = f"* {number} FETCH (UID {self.uid}"
        about += f" FLAGS ({' '.join(sorted(self.flags))}) INTERNALDATE {date}"
        body = re.search(r"BODY\.PEEK(\[HEADER\.FIELDS \(([^)]*)\)\])", items)
        if body is None:
            return f"{about})\r\n".encode()
        fields = self.fields(body[2])
        return f"{about} BODY{body[1]} {{{len(fields)}}}\r\n".encode() + fields + b")\r\n"


class Mailbox:
    """Folders with letters."""

    def __init__(self, fate: str = "delivered") -> None:
        if fate not in FATES:
            raise ValueError(f"no fate {fate!r} of a message; there are {' '.join(FATES)}")
        self.fate = fate
        self.folders: dict[str, list[Letter]] = {INBOX: [], JUNK: []}
        self._uid = 0

    def put(self, content: bytes, folder: str = INBOX, ago: float = 0.0) -> Letter:
        """Add a message that arrived ``ago`` seconds before now."""
        self._uid += 1
        letter = Letter(self._uid, content, time.time() - ago)
        self.folders[folder].append(letter)
        return letter

    def accept(self, content: bytes, server: str) -> None:
        """Do with a message that ``server`` has accepted what is to become of it."""
        if self.fate == "lost":
            if not self.folders[INBOX]:
                date = email.utils.formatdate(time.time() - AGE_OF_THE_LAST)
                old = re.sub(rb"(?m)^Date:.*?$", b"Date: " + date.encode(), content, count=1)
                self.put(_received(old, server, AGE_OF_THE_LAST), INBOX, AGE_OF_THE_LAST)
            return
        self.put(_received(content, server), JUNK if self.fate == "junk" else INBOX)


def _received(content: bytes, server: str, ago: float = 0.0) -> bytes:
    """``content`` with the Received fields of its way."""
    date = email.utils.formatdate(time.time() - ago)
    way = [f"from {server} by mbx01.contoso.com with Microsoft SMTP Server; {date}"]
    way += [f"from monitor ([127.0.0.1])\r\n by {server} with Microsoft SMTP Server; {date}"]
    return "".join(f"Received: {hop}\r\n" for hop in way).encode() + content


class ImapSession:
    """One connection of the IMAP server."""

    CAPABILITIES = "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 UIDPLUS"

    def __init__(
        self, mailbox: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._writer = writer
        self._letters: list[Letter] = []
        self._logged_on = False

    async def run(self) -> None:
        """Serve until the client logs out or goes."""
        self._say("* OK The Microsoft Exchange IMAP4 service is ready.")
        while line := (await self._reader.readline()).decode("utf-8", "replace").rstrip("\r\n"):
            tag, _, rest = line.partition(" ")
            command, _, arguments = rest.partition(" ")
            if command.upper() == "UID":
                command, _, arguments = arguments.partition(" ")
                command = f"UID {command}"
            self._say(f"{tag} {await self._answer(command.upper(), arguments)}")
            await self._writer.drain()
            if command.upper() == "LOGOUT":
                break
        self._writer.close()

    def _say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")

    async def _answer(self, command: str, arguments: str) -> str:
        """Do what the client wants, and return the end of the response."""
        if command == "CAPABILITY":
            self._say(f"* CAPABILITY {self.CAPABILITIES}")
        elif command == "LOGOUT":
            self._say("* BYE Microsoft Exchange Server IMAP4 server signing off.")
        elif command in ("LOGIN", "AUTHENTICATE"):
            self._logged_on = await self._is_user(command, arguments)
            if not self._logged_on:
                return f"NO {command} failed."
        elif not self._logged_on:
            return "BAD Command received in Invalid state."
        elif command in ("SELECT", "EXAMINE"):
            name = arguments.strip('"')
            if name not in self._mailbox.folders:
                return f"NO {name} doesn't exist."
            self._letters = self._mailbox.folders[name]
            self._say(f"* {len(self._letters)} EXISTS")
        elif command in ("FETCH", "UID FETCH"):
            numbers, _, items = arguments.partition(" ")
            for number, letter in self._selected(numbers, command):
                self._writer.write(letter.fetched(number, items))
        elif command == "UID SEARCH":
            uids = (str(letter.uid) for letter in self._matching(arguments))
            self._say(" ".join(["* SEARCH", *uids]))
        elif command == "UID STORE":
            for _, letter in self._selected(arguments.partition(" ")[0], command):
                letter.flags.add("\\Deleted")
        elif command == "UID EXPUNGE":
            for number, letter in reversed(list(self._selected(arguments, command))):
                if "\\Deleted" in letter.flags:
                    self._letters.remove(letter)
                    self._say(f"* {number} EXPUNGE")
        elif command != "NOOP":
            return "BAD Command Argument Error."
        return f"OK {command} completed."

    async def _is_user(self, command: str, arguments: str) -> bool:
        if command == "LOGIN":
            return arguments.replace('"', "").split() == [USER, PASSWORD]
        self._say("+ ")
        await self._writer.drain()
        response = base64.b64decode(await self._reader.readline())
        if arguments == "XOAUTH2":
            return response == f"user={USER}\1auth=Bearer {PASSWORD}\1\1".encode()
        return response == f"\0{USER}\0{PASSWORD}".encode()

    def _selected(self, numbers: str, command: str) -> Iterator[tuple[int, Letter]]:
        """The letters of a sequence set, with their numbers."""
        ranges = [part.partition(":") for part in numbers.split(",")]
        wanted = [(int(first), int(last or first)) for first, _, last in ranges]
        for number, letter in enumerate(list(self._letters), 1):
            key = letter.uid if command.startswith("UID") else number
            if any(first <= key <= last for first, last in wanted):
                yield number, letter

    def _matching(self, criteria: str) -> Iterator[Letter]:
        """The letters of ``UNDELETED HEADER NAME VALUE [BEFORE DATE]``."""
        words = criteria.split()
        before: Optional[float] = None
        if "BEFORE" in words:
            date = f"{words[-1].replace('-', ' ')} 00:00:00 +0000"
            before = email.utils.parsedate_to_datetime(date).timestamp()
        for letter in self._letters:
            header = email.parser.BytesHeaderParser().parsebytes(letter.content)
            old = before is None or letter.arrived < before
            if words[3] in str(header[words[2]]) and "\\Deleted" not in letter.flags and old:
                yield letter


async def serve(
    mailbox: Mailbox,
    context: ssl.SSLContext,
    host: str,
    connections: set[asyncio.WriteTransport],
) -> asyncio.Server:
    """Start the IMAP server of ``mailbox`` on a free port.

    :param connections: where the open ones are kept
    """

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer.transport)
        try:
            await ImapSession(mailbox, reader, writer).run()
        except (OSError, ValueError):
            writer.close()
        finally:
            connections.discard(writer.transport)

    return await asyncio.start_server(session, host, 0, ssl=context)
