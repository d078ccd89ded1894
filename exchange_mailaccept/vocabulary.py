"""The words that options, tables and code share, as enums."""

from __future__ import annotations

from .record import Enum


class Stage(Enum):
    """A step of the test; the value is its name in options, perfdata and texts."""

    #: From the domain to its servers and their addresses (DNS).
    MX = "mx"
    #: The TCP connection.
    CONNECT = "connect"
    #: The greeting, 220.
    BANNER = "banner"
    #: EHLO, or the HELO after a refused EHLO; 250.
    EHLO = "ehlo"
    #: STARTTLS, the handshake and the EHLO after it.
    STARTTLS = "starttls"
    #: AUTH; 235.
    AUTH = "auth"
    #: MAIL FROM; 250.
    MAIL = "mail"
    #: RCPT TO; 250 or 251.
    RCPT = "rcpt"
    #: DATA; 354.
    DATA = "data"
    #: The message and the reply to its final dot; 250.
    MESSAGE = "message"
    #: QUIT, which is never judged.
    QUIT = "quit"


class Verdict(Enum):
    """The result of a stage; the value is its name in ``--severity``.

    ``--severity`` has neither PASSED nor UNTESTED, because neither is a finding about the server.
    """

    PASSED = "passed"
    #: A 4yz reply: the server asks to try again later.
    DEFERRED = "deferred"
    #: A 5yz reply.
    REFUSED = "refused"
    #: The network, TLS or the protocol failed.
    BROKEN = "broken"
    #: Nothing, or not enough, came in time.
    TIMED_OUT = "timeout"
    #: The server did not offer what was required.
    MISSING = "missing"
    #: The monitoring host failed (no resolver, no such source address); the server is not judged.
    UNTESTED = "untested"


class Cause(Enum):
    """Why a request failed, or what is known of a stage besides its reply.

    It comes with an explanation in words for people; the program reads only the cause.
    """

    #: ECONNREFUSED.
    REFUSED = "refused"
    #: ECONNRESET.
    RESET = "reset"
    #: The server closed the connection.
    CLOSED = "closed"
    #: There is no route, or some addresses did not answer and the others can't be used.
    UNREACHABLE = "unreachable"
    #: EACCES: SELinux, or an ICMPv6 "administratively prohibited".
    FORBIDDEN = "forbidden"
    #: Another error of the network.
    NETWORK = "network"
    #: Nothing, or not enough, came in time.
    SILENT = "silent"
    #: No address answered when it was connected.
    NO_ANSWER = "no-answer"
    #: This host is at fault: it has no such source address, or no descriptors left.
    OWN_SIDE = "own-side"
    #: This host did not run the check for longer than the server had time.
    TOO_BUSY = "too-busy"
    #: Earlier servers or addresses used up the time.
    NO_TURN = "no-turn"
    #: A signal ended the run.
    INTERRUPTED = "interrupted"
    #: The server sent something before it was asked.
    OUT_OF_TURN = "out-of-turn"
    #: The replies belong to earlier commands.
    OUT_OF_STEP = "out-of-step"
    #: The server replied before it can have read the whole request.
    EARLY_REPLY = "early-reply"
    #: What came is not an SMTP reply (RFC 5321 4.2).
    NOT_SMTP = "not-smtp"
    #: A line that says OK and has no code, as an old PIX answers unknown commands.
    BARE_OK = "bare-ok"
    #: The TLS handshake failed, or TLS broke later.
    TLS = "tls"
    #: The certificate failed verification.
    CERTIFICATE = "certificate"
    #: It failed because the server sent only this one, and its issuer is not trusted here.
    CHAIN = "chain"
    #: It failed because a key or a signature is too weak for this host's OpenSSL.
    WEAK_CERTIFICATE = "weak-certificate"
    #: The server does not offer what was required.
    NOT_OFFERED = "not-offered"
    #: The dialogue of AUTH went wrong (RFC 4954 4).
    AUTH = "auth"
    #: EHLO was refused and HELO tried instead.
    HELO_ONLY = "helo-only"
    #: The name does not exist (RFC 8020).
    NXDOMAIN = "nxdomain"
    #: The domain accepts no mail, by its null MX (RFC 7505).
    NULL_MX = "null-mx"
    #: No address is published for the host.
    NO_ADDRESS = "no-address"
    #: None of the domain's MX records is one of those that it should have.
    UNEXPECTED_MX = "unexpected-mx"
    #: An MX that leads to this host itself, or to an address that no other host can reach.
    NOT_PUBLIC = "not-public"
    #: CNAME records that loop or go on too long.
    ALIASES = "aliases"
    #: A name that is not valid in DNS.
    BAD_NAME = "bad-name"
    #: The name server failed: SERVFAIL (RFC 1035 4.1.1, RCODE 2).
    SERVFAIL = "servfail"
    #: A name server does not resolve names for this host.
    RESOLVER_REFUSES = "resolver-refuses"
    #: No name server gave an answer that can be used.
    RESOLVER = "resolver"


class Kind(Enum):
    """What sort of thing went wrong; the value is its name in ``--severity``."""

    #: A server, a service or a component of Exchange is at fault.
    SERVER = "server"
    #: A resource or a limit is used up, usually for a while.
    LOAD = "load"
    #: The recipient or the domain is not set up.
    RECIPIENT = "recipient"
    #: The connector or its permissions are not set up for this.
    CONNECTOR = "connector"
    #: TLS or its certificate.
    TLS = "tls"
    #: A command was wrong, or a middlebox garbled it.
    PROTOCOL = "protocol"
    #: This probe is refused; other mail may be accepted.
    PROBE = "probe"
    #: A rule of the organization forbids the message.
    POLICY = "policy"


class Generation(Enum):
    """A generation or role of Exchange; the value is its key, :attr:`title` is for people."""

    #: An Exchange server of unknown generation.
    UNTOLD = "exchange"
    E5_5 = "5.5"
    #: The keywords of both are the same.
    E2000_2003 = "2000-2003"
    E2000 = "2000"
    E2003 = "2003"
    E2007 = "2007"
    E2010 = "2010"
    E2013 = "2013"
    #: Their Receive connectors for the Internet offer the same keywords.
    E2013_2019 = "2013-2019"
    E2016 = "2016"
    #: The keywords of both are the same.
    E2019_SE = "2019-se"
    E2019 = "2019"
    SE = "se"
    EDGE = "edge"
    ONLINE = "online"

    @property
    def title(self) -> str:
        """The name for display."""
        return _TITLES.get(self.value) or f"Exchange {self.value}"


#: What keywords show of several generations, none of which a user expects.
SEVERAL = (
    *(Generation.UNTOLD, Generation.E5_5, Generation.E2000_2003),
    *(Generation.E2013_2019, Generation.E2019_SE),
)
_TITLES = {
    "exchange": "Exchange",
    "2000-2003": "Exchange 2000/2003",
    "2013-2019": "Exchange 2013/2016/2019",
    "2019-se": "Exchange 2019/SE",
    "se": "Exchange SE",
    "edge": "Exchange Edge",
    "online": "Exchange Online",
}


class State(Enum):
    """How bad something is, in the words of Nagios; the value is its name in ``--severity``."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Rule(Enum):
    """How a set of servers is judged; the value is its name in ``--set``."""

    #: As the worst server.
    WORST = "worst"
    #: One that accepts is enough.
    ANY = "any"
    #: A backup that fails is a warning, and so is one of several primaries.
    PRIMARY = "primary"


class Tls(Enum):
    """When the connection uses TLS; the value is the option that asks for it."""

    NEVER = ""
    #: STARTTLS is required.
    STARTTLS = "starttls"
    #: From the first byte.
    IMPLICIT = "ssl"
    #: STARTTLS if it is offered, as senders on the Internet do.
    IF_OFFERED = "starttls-if-offered"


class Mechanism(Enum):
    """A mechanism of AUTH; the value is its name in EHLO.

    The order is that of ``auto``: a token, which expires, is better than a password, and a
    mechanism that does not send the password is better than those that do.
    """

    XOAUTH2 = "XOAUTH2"
    NTLM = "NTLM"
    PLAIN = "PLAIN"
    LOGIN = "LOGIN"
