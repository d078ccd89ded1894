"""What the simulator says: the generations' texts, and how options change them.

A new pose is a new entry in ``POSES``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple, Optional

#: Where a reply can be replaced, delayed or dropped; also the names of the templates in a pose.
#: ``handshake`` is the TLS handshake; a text given for it is sent unencrypted in its place.
STAGES = (
    *("banner", "ehlo", "helo", "starttls", "handshake", "auth"),
    *("mail", "rcpt", "data", "message", "quit"),
)

#: How a connection is secured.
TLS_MODES = ("starttls", "implicit", "none")

#: What AUTH can offer; a logon by one of the last two is always refused.
MECHANISMS = ("LOGIN", "PLAIN", "XOAUTH2", "NTLM", "GSSAPI")

#: Keywords that are not offered inside TLS (RFC 3207 4.2).
GONE_IN_TLS = frozenset({"STARTTLS", "TLS", "X-ANONYMOUSTLS"})

#: The beginning of each text of aiosmtpd, and what Exchange says instead.
EXCHANGE_WORDING = {
    "250 OK": "250 2.0.0 OK",
    "500 Error": "500 5.3.3 Unrecognized command",
    "501 Syntax": "501 5.5.4 Invalid arguments",
    "502 5.5.1 Too many": "421 4.7.0 Too many errors on this connection, closing "
    "transmission channel",
    "503 Error: need MAIL": "503 5.5.2 Need mail command",
    "503 Error: need RCPT": "503 5.5.2 Need rcpt command",
    "503 Error: nested MAIL": "503 5.5.2 Sender already specified",
    "503 Error: send": "503 5.5.2 Send hello first",
    "552 Error": "552 5.3.4 Message size exceeds fixed maximum message size",
    "553 5.1.3": "501 5.1.3 Invalid address",
    "555 ": "501 5.5.4 Invalid arguments",
}


class Pose(NamedTuple):
    """What a server generation says; the texts are templates for ``str.format``."""

    keywords: tuple[str, ...]
    message: str
    banner: str = "220 {name} Microsoft ESMTP MAIL Service ready at {date}"
    ehlo: str = "{name} Hello [{peer}]"
    helo: str = "250 {name} Hello [{peer}]"
    mail: str = "250 2.1.0 Sender OK"
    rcpt: str = "250 2.1.5 Recipient OK"
    data: str = "354 Start mail input; end with <CRLF>.<CRLF>"
    quit: str = "221 2.0.0 Service closing transmission channel"
    starttls: str = "220 2.0.0 SMTP server ready"
    handshake: str = ""
    auth: str = "235 2.7.0 Authentication successful"
    #: Reply to a failed logon.
    logon_failed: str = "535 5.7.3 Authentication unsuccessful"
    #: Replies to MAIL outside TLS, and without a logon; empty where these are not required.
    unsecured: str = ""
    anonymous: str = ""
    #: Mechanisms offered inside TLS; ``None`` for the same as outside.
    auth_in_tls: Optional[tuple[str, ...]] = None
    #: Keywords inside TLS; empty for those outside without :data:`GONE_IN_TLS`.
    keywords_in_tls: tuple[str, ...] = ()
    wording: Mapping[str, str] = EXCHANGE_WORDING


_ON_PREMISES = (
    "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS", "AUTH NTLM",
    "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING",
)  # fmt: skip
#: The reply to a message since Exchange 2019.
_MEASURED = (
    "250 2.6.0 {message_id} [InternalId={number}, Hostname={name}] {size} bytes in {seconds:.3f},"
    " {rate:.3f} KB/sec Queued mail for delivery"
)
_EXCHANGE_2007 = Pose(
    keywords=("SIZE", *_ON_PREMISES, "XEXCH50", "XRDST"),
    auth_in_tls=("NTLM", "LOGIN"),
    message="250 2.6.0 {message_id} Queued mail for delivery",
)
_ONLINE = Pose(
    banner="220 {name} Microsoft ESMTP MAIL Service ready at {date} [{session}]",
    keywords=(
        "SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "8BITMIME",
        "BINARYMIME", "CHUNKING", "SMTPUTF8",
    ),
    message=_MEASURED,
)  # fmt: skip

POSES = {
    "2003": Pose(
        banner="220 {name} Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  {date}",
        keywords=(
            "TURN", "SIZE", "ETRN", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8bitmime",
            "BINARYMIME", "CHUNKING", "VRFY", "X-EXPS GSSAPI NTLM LOGIN", "X-EXPS=LOGIN",
            "AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN", "X-LINK2STATE", "XEXCH50", "OK",
        ),
        mail="250 2.1.0 {address}....Sender OK",
        rcpt="250 2.1.5 {address}",
        message="250 2.6.0 {message_id} Queued mail for delivery",
        quit="221 2.0.0 {name} Service closing transmission channel",
    ),
    "2007": _EXCHANGE_2007,
    "2010": _EXCHANGE_2007._replace(
        keywords=(*_EXCHANGE_2007.keywords, "XSHADOW"),
        message="250 2.6.0 {message_id} [InternalId={number}] Queued mail for delivery",
    ),
    "2013": _EXCHANGE_2007._replace(
        keywords=(*_EXCHANGE_2007.keywords, "XSHADOWREQUEST"),
        message="250 2.6.0 {message_id} [InternalId={number}, Hostname={name}] "
        "Queued mail for delivery",
    ),
    "2016": _EXCHANGE_2007._replace(
        keywords=("SIZE 37748736", *_ON_PREMISES, "XRDST"),
        message="250 2.6.0 {message_id} [InternalId={number}, Hostname={name}] "
        "Queued mail for delivery",
    ),
    "2019": _EXCHANGE_2007._replace(
        keywords=("SIZE 37748736", *_ON_PREMISES, "SMTPUTF8", "XRDST"), message=_MEASURED
    ),
    "online": _ONLINE,
    # Port 587 of Exchange Online offers AUTH and accepts mail only inside TLS.
    "submission": _ONLINE._replace(
        auth_in_tls=("LOGIN", "XOAUTH2"),
        logon_failed="535 5.7.3 Authentication unsuccessful [{name}]",
        unsecured="451 5.7.3 STARTTLS is required to send mail [{name}]",
        anonymous="530 5.7.57 Client not authenticated to send mail. [{name}]",
        message="250 2.0.0 OK {message_id} [Hostname={name}]",
    ),
    "plain": Pose(
        banner="220 {name} ESMTP ready",
        ehlo="{name}",
        helo="250 {name}",
        keywords=(
            "PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "STARTTLS", "ENHANCEDSTATUSCODES",
            "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING",
        ),
        mail="250 2.1.0 Ok",
        rcpt="250 2.1.5 Ok",
        data="354 End data with <CR><LF>.<CR><LF>",
        message="250 2.0.0 Ok: queued as {number:X}",
        quit="221 2.0.0 Bye",
        starttls="220 2.0.0 Ready to start TLS",
        logon_failed="535 5.7.8 Error: authentication failed",
        wording={},
    ),
}  # fmt: skip


class Answer(str):
    """A reply of the simulator, not of aiosmtpd; newlines separate its lines."""

    @property
    def code(self) -> str:
        """Reply code of the last line, which is the one that counts (RFC 5321 4.2.1)."""
        return self.rpartition("\n")[2][:3]

    @property
    def accepts(self) -> bool:
        """Whether this is a positive completion reply."""
        return self.code.startswith("2")


class Credentials(NamedTuple):
    """What a logon must give; if the user or the secret is empty, every logon fails."""

    user: str = ""
    password: str = ""
    token: str = ""


class Behaviour(NamedTuple):
    """What the server poses as, and how it misbehaves."""

    pose: Pose
    name: str
    reply: Mapping[str, str]
    delay: Mapping[str, float]
    drop: Collection[str]
    without: Collection[str]
    #: One of :data:`TLS_MODES`; empty for STARTTLS if the pose offers it.
    tls: str = ""
    #: Mechanisms offered inside TLS and outside; ``None`` for the pose's own.
    auth: Optional[tuple[str, ...]] = None
    auth_before_tls: Optional[tuple[str, ...]] = None
    credentials: Credentials = Credentials()
    #: Replies to MAIL and RCPT by the address, or by ``@`` and its domain; before those of a stage.
    addresses: Mapping[str, str] = {}
    #: The servers behind a balancer, who take turns: name, and the banner if it is not the pose's.
    nodes: tuple[tuple[str, str], ...] = ()

    def at_connection(self, number: int) -> Behaviour:
        """The behaviour at a connection, the first of which has the number 0."""
        if not self.nodes:
            return self
        name, banner = self.nodes[number % len(self.nodes)]
        reply = {**self.reply, **({"banner": banner} if banner else {})}
        return self._replace(name=name, reply=reply)

    def check(self) -> None:
        """Raise ``ValueError`` if the fields cannot be used."""
        for stage in [*self.reply, *self.delay, *self.drop]:
            if stage not in STAGES:
                raise ValueError(f"no stage {stage!r}; there are {' '.join(STAGES)}")
        for stage, seconds in self.delay.items():
            if not 0 <= seconds < math.inf:
                raise ValueError(f"delay at {stage} is no number of seconds: {seconds}")
        if self.tls not in ("", *TLS_MODES):
            raise ValueError(f"no TLS mode {self.tls!r}; there are {' '.join(TLS_MODES)}")
        for mechanism in [*(self.auth or ()), *(self.auth_before_tls or ())]:
            if mechanism not in MECHANISMS:
                raise ValueError(f"no mechanism {mechanism!r}; there are {' '.join(MECHANISMS)}")
        if self.auth and self.tls == "none":
            raise ValueError("auth is offered inside TLS and there is none; use auth_before_tls")

    def answer(self, stage: str, **fields: object) -> Answer:
        """Return the answer at ``stage``; ``fields`` fill the pose's template."""
        address = str(fields.get("address", "")).lower()
        for name in (address or "<>", f"@{address.rpartition('@')[2]}"):
            if stage in ("mail", "rcpt") and name in self.addresses:
                return Answer(self.addresses[name].replace("\\n", "\n"))
        if stage in self.reply:
            return Answer(self.reply[stage].replace("\\n", "\n"))
        return self.say(getattr(self.pose, stage), **fields)

    def say(self, template: str, **fields: object) -> Answer:
        """Return a text of the pose, filled in."""
        return Answer(template.format(name=self.name, **fields))

    def answer_ehlo(self, peer: str, secured: bool) -> Answer:
        """Return the answer to EHLO: the greeting, and the keywords offered on this connection."""
        text = self.answer("ehlo", peer=peer)
        if "ehlo" in self.reply:
            return text
        lines = [text, *self.keywords(secured)]
        return Answer("\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))

    def keywords(self, secured: bool = False) -> tuple[str, ...]:
        """The keywords offered, with their parameters."""
        lines = list(self.pose.keywords)
        if secured:
            lines = [line for line in lines if line.split()[0] not in GONE_IN_TLS]
            lines = list(self.pose.keywords_in_tls) or lines
        elif self.tls in ("none", "implicit"):
            lines = [line for line in lines if line.split()[0] not in GONE_IN_TLS]
        elif self.tls == "starttls" and "STARTTLS" not in lines:
            lines.insert(_place(lines), "STARTTLS")
        mechanisms = self.auth if secured else self.auth_before_tls
        if mechanisms is None and secured and not self.pose.keywords_in_tls:
            mechanisms = self.pose.auth_in_tls
        if mechanisms is not None:
            at = next((at for at, line in enumerate(lines) if line.split()[0] == "AUTH"), -1)
            if at >= 0:
                del lines[at]
            if mechanisms:
                lines.insert(at if at >= 0 else _place(lines), f"AUTH {' '.join(mechanisms)}")
        return tuple(line for line in lines if not self._withheld(line))

    def _withheld(self, line: str) -> bool:
        """Whether ``without`` names this keyword; AUTH includes the old form AUTH=LOGIN."""
        keyword = line.split()[0].upper()
        return not {keyword, keyword.partition("=")[0]}.isdisjoint(self.without)

    def offers(self, keyword: str, secured: bool = False) -> bool:
        """Whether EHLO lists ``keyword``."""
        return any(line.split()[0] == keyword for line in self.keywords(secured))

    def mechanisms(self, secured: bool) -> tuple[str, ...]:
        """Mechanisms that AUTH lists."""
        lines = (line.split() for line in self.keywords(secured))
        return next((tuple(words[1:]) for words in lines if words[0] == "AUTH"), ())

    @property
    def size_limit(self) -> Optional[int]:
        """The number in the SIZE keyword, or ``None``."""
        sizes = (line.split()[1:] for line in self.keywords() if line.startswith("SIZE"))
        return next((int(size[0]) for size in sizes if size), None)


def _place(lines: list[str]) -> int:
    """The position at which Exchange lists STARTTLS and AUTH: after ENHANCEDSTATUSCODES."""
    return lines.index("ENHANCEDSTATUSCODES") + 1 if "ENHANCEDSTATUSCODES" in lines else len(lines)
