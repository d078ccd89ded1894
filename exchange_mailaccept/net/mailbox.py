"""Reads and tidies the probe's mailbox over IMAP (RFC 3501, RFC 4315, RFC 9051).

``imaplib`` blocks, so each method here runs in a thread (see ``blocking_call``).  Its time-out is
one for each read, which a server that drips outlasts.  So at the deadline of the run the main
thread shuts the connection down, by :meth:`MailboxSession.shut_down`; after that the thread sends
nothing more.
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl

from ..protocol.conversation import Fault
from ..protocol.message import PROBE_HEADER, rfc5322_date
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause
from . import probes
from .operation import fault_of
from .probes import Mailbox, Probe
from .trust import Contexts, TlsSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, Optional, TypeVar, Union

    Result = TypeVar("Result")

#: Messages at the end of a folder that are read one by one: an index, by which a server searches,
#: may lag behind what has arrived.
LATEST = 100
#: Messages of a search that are read.
FOUND = 20
#: Messages that are deleted in a run, so that the command stays short (RFC 7162 4).
MOST_DELETED = 500
#: Bytes that a server may send in a run.
MOST_BYTES = 16 << 20
_FETCH = f"(UID FLAGS INTERNALDATE {probes.FIELDS})"


class Seen(NamedTuple):
    """What was read in the mailbox."""

    probes: tuple[Probe, ...]
    #: What could not be read, in words.
    notes: tuple[str, ...] = ()


class _RefusedError(Exception):
    """The server does not do what is needed; ``str()`` says it."""


class MailboxSession:
    """One session with the server of a mailbox.

    :param addresses: of the server, to be tried in this order
    :param left: seconds until the run ends
    """

    def __init__(self, mailbox: Mailbox, addresses: Sequence[str], left: float) -> None:
        self.mailbox = mailbox
        # Always verified, because the secret must not go to a stranger.
        settings = TlsSettings(verify=True, ca_file=mailbox.ca_file)
        self.context = Contexts(settings).for_connection(mailbox.host, verify=True)
        self.over = False
        self._addresses = addresses
        # Above the deadline, at which ``shut_down`` ends every read.
        self._patience = left + 1
        #: The connection, whatever becomes of its socket when TLS begins.
        self._handle: Optional[socket.socket] = None
        self._imap: Optional[_Imap] = None
        self._ways: dict[tuple[str, int], bytes] = {}

    def shut_down(self) -> None:
        """End the connection, and let the thread send nothing more; does not block."""
        self.over = True
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def open(self) -> Optional[Fault]:
        """Connect and log on."""
        return self._guarded(self._open)

    def look(self, marks: Collection[str]) -> Union[Seen, Fault]:
        """Read the probes with ``marks``, the newest of each with its way."""
        return self._guarded(lambda: self._look(marks))

    def tidy(self, marks: Collection[str], before: float, kept: Collection[Probe]) -> Any:
        """Delete the probes with ``marks`` that were sent before then, except those ``kept``."""
        return self._guarded(lambda: self._tidy(marks, before, {(p.folder, p.uid) for p in kept}))

    def leave(self) -> Any:
        """Log out."""
        return self._guarded(lambda: self._server.logout())

    def connect(self) -> socket.socket:
        """Connect the first of the addresses that answers.

        :raises OSError: none does
        """
        failure: Optional[OSError] = None
        for position, address in enumerate(self._addresses):
            patience = self._patience / (len(self._addresses) - position)
            try:
                connection = socket.create_connection((address, self.mailbox.port), patience)
            except OSError as error:
                failure = error
                continue
            connection.settimeout(self._patience)
            self._handle = connection.dup()
            if self.over:
                raise TimeoutError
            return connection
        raise failure or OSError("no address")

    @property
    def _server(self) -> _Imap:
        if self._imap is None:
            raise _RefusedError("not connected")
        return self._imap

    def _guarded(self, work: Callable[[], Result]) -> Union[Result, Fault]:
        """What ``work`` returns, or the fault that it met."""
        try:
            return work()
        except _RefusedError as error:
            return Fault(Cause.NOT_OFFERED, str(error))
        except imaplib.IMAP4.abort as error:
            return Fault(Cause.CLOSED, f"the connection is lost: {_words(error)}")
        except imaplib.IMAP4.error as error:
            return Fault(Cause.NOT_OFFERED, _words(error))
        except ssl.SSLCertVerificationError as error:
            return Fault(Cause.CERTIFICATE, f"its certificate is not valid: {error.verify_message}")
        except ssl.SSLError as error:
            return Fault(Cause.TLS, f"TLS failed: {error.reason or error}")
        except OSError as error:
            return fault_of(error)
        # imaplib takes it for granted that a server keeps to the protocol.
        except (ValueError, IndexError, KeyError, TypeError) as error:
            return Fault(Cause.NETWORK, f"it does not speak IMAP: {error}")

    def _open(self) -> None:
        self._imap = imap = _Imap(self)
        if not self.mailbox.implicit:
            if "STARTTLS" not in imap.capabilities:
                raise _RefusedError("it does not offer STARTTLS, and no secret goes out without")
            imap.starttls(self.context)
        try:
            self._log_on(imap)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            words = _words(error)
            for secret in filter(None, (self.mailbox.password, self.mailbox.token)):
                words = words.replace(secret, "***")
            raise _RefusedError(f"it refuses the logon of {self.mailbox.user}: {words}") from None

    def _log_on(self, imap: _Imap) -> None:
        mailbox = self.mailbox
        if mailbox.token:
            # Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth"; the second
            # answer is to the server's reason for refusing.
            answers = iter([f"user={mailbox.user}\1auth=Bearer {mailbox.token}\1\1"])
            imap.authenticate("XOAUTH2", lambda _: _encoded(next(answers, "")))
        elif "AUTH=PLAIN" in imap.capabilities:
            # Of the password LOGIN takes only ASCII (RFC 4616 2).
            answer = f"\0{mailbox.user}\0{mailbox.password}"
            imap.authenticate("PLAIN", lambda _: _encoded(answer))
        else:
            imap.login(mailbox.user, mailbox.password)

    def _look(self, marks: Collection[str]) -> Seen:
        found: list[Probe] = []
        notes = []
        large = []
        for folder in self.mailbox.folders:
            try:
                number = self._select(folder)
            except _RefusedError as error:
                # Many servers make a folder for junk only when something is put into it.
                if folder == self.mailbox.folders[0]:
                    raise
                notes.append(str(error))
                continue
            found += self._own(folder, self._latest(folder, number), marks)
            if number > LATEST:
                large.append(folder)
        missing = set(marks) - {each.mark for each in found}
        for folder in large if missing else ():
            self._select(folder)
            for mark in missing:
                older = self._fetch(folder, self._search(mark)[-FOUND:])
                found += self._own(folder, older, missing)
        return Seen(tuple(found), tuple(notes))

    def _select(self, folder: str, writing: bool = False) -> int:
        """Select a folder; read-only leaves even the flag for recent mail as it is."""
        status, data = self._server.select(probes.folder_name(folder), readonly=not writing)
        if status != "OK":
            raise _RefusedError(f"folder {folder} can't be opened: {_text(data[-1])}")
        return int(data[-1] or 0)

    def _latest(self, folder: str, number: int) -> list[Probe]:
        if not number:
            return []
        first = max(1, number - LATEST + 1)
        return probes.parse(self._checked(self._server.fetch(f"{first}:{number}", _FETCH)), folder)

    def _search(self, mark: str, *more: str) -> list[bytes]:
        """The UIDs of probes with ``mark``, the newest last."""
        criteria = ("UNDELETED", "HEADER", PROBE_HEADER, mark, *more)
        data = self._checked(self._server.uid("SEARCH", *criteria))
        return sorted(b" ".join(filter(None, data)).split(), key=int)

    def _fetch(self, folder: str, uids: Sequence[bytes]) -> list[Probe]:
        if not uids:
            return []
        data = self._checked(self._server.uid("FETCH", b",".join(uids).decode(), _FETCH))
        return probes.parse(data, folder)

    def _own(self, folder: str, read: list[Probe], marks: Collection[str]) -> list[Probe]:
        """Those with ``marks`` of what was ``read``, the newest of each with their way."""
        found = [each for each in read if each.mark in marks]
        newest = {each.mark: each.sent for each in sorted(found, key=lambda each: each.sent)}
        last = [each for each in found if each.sent == newest[each.mark]]
        new = [str(each.uid) for each in last if (folder, each.uid) not in self._ways]
        if new:
            data = self._checked(self._server.uid("FETCH", ",".join(new), f"(UID {probes.WAY})"))
            for uid, way in probes.ways(data).items():
                self._ways[folder, uid] = way
        return [each._replace(way=self._ways.get((folder, each.uid), b"")) for each in found]

    def _tidy(
        self, marks: Collection[str], before: float, kept: Collection[tuple[str, int]]
    ) -> None:
        # By the server's calendar, which may be a day ahead.
        _, day, month, year, *_ = rfc5322_date(before + 2 * 86_400).split()
        for folder in self.mailbox.folders:
            with contextlib.suppress(_RefusedError):
                self._select(folder)
                uids = []
                for mark in marks:
                    uids += self._search(mark, "BEFORE", f"{day}-{month}-{year}")[:MOST_DELETED]
                old = [
                    str(each.uid)
                    for each in self._fetch(folder, uids)
                    if each.mark in marks and each.sent < before and (folder, each.uid) not in kept
                ]
                if old:
                    self._delete(folder, ",".join(old))

    def _delete(self, folder: str, uids: str) -> None:
        """Delete messages; without UIDPLUS they are only marked.

        EXPUNGE would take all that is marked out of the folder, mail of others too.
        """
        self._select(folder, writing=True)
        self._checked(self._server.uid("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)"))
        # Asked again, because many servers tell all they can only after the logon.
        if b"UIDPLUS" in b" ".join(self._checked(self._server.capability())).upper().split():
            self._checked(self._server.uid("EXPUNGE", uids))

    def _checked(self, answer: tuple[str, list[Any]]) -> list[Any]:
        status, data = answer
        if status != "OK":
            raise _RefusedError(f"it refuses to be read: {_text(data[-1])}")
        return data


class _Imap(imaplib.IMAP4):
    """The client of ``imaplib``, on a connection of this module, with an end to all it does."""

    def __init__(self, session: MailboxSession) -> None:
        self._session = session
        self._room = MOST_BYTES
        super().__init__(session.mailbox.host, session.mailbox.port)

    def _create_socket(self, timeout: Optional[float]) -> socket.socket:  # noqa: ARG002
        """Connect; ``imaplib`` would look up the name itself, with a limit for each address."""
        connection = self._session.connect()
        if self._session.mailbox.implicit:
            return self._session.context.wrap_socket(connection, server_hostname=self.host)
        return connection

    def read(self, size: int) -> bytes:
        """Read exactly ``size`` bytes."""
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        """Read a line."""
        line = super().readline()
        self._spend(len(line))
        return line

    def _spend(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise self.abort("the server sends more than anybody can have asked for")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _words(error: Exception) -> str:
    """The words of an error of ``imaplib``, which often are the server's."""
    words = _text(error.args[0]) if error.args else type(error).__name__
    return words.rpartition(" => ")[2] if words.startswith("command: ") else words


def _text(said: Any) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
