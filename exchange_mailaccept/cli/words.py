"""What the value of an option may be: text in, value out.

Every converter raises ValueError if the text can't be used; the message tells the user what is
wrong.  All that goes into a command, a header or a packet is checked here.
"""

from __future__ import annotations

import os
import stat
import sys

from ..names import DIGITS, DNS_PORT, LETTERS, address, consists_of, is_address, to_ascii
from ..vocabulary import SEVERAL, Generation, Kind, Mechanism, Rule, Stage, State, Verdict

#: The option that is replaced by the options of a file (see ``ini_file``).
EXTRA_OPTS = "--extra-opts"
STATES = tuple(state.value for state in State)
STAGES = tuple(stage.value for stage in Stage)
#: Stages that can be the last one of a walk.
UNTIL = STAGES[:-1]
#: Metrics and findings that belong to no stage.
TOTAL, EXTENSIONS, CERTIFICATE, BACKUP_MX = "total", "extensions", "certificate", "backup-mx"
UNTRUSTED, ADDRESS, SIZE, MX_SET = "untrusted", "address", "size", "mx-set"
NODE, RELAY, UNKNOWN_RECIPIENT = "node", "relay", "unknown-recipient"
#: TLS policies of a domain, and the options that have them judged.
DANE, MTA_STS = "dane", "mta-sts"
POLICIES = (DANE, MTA_STS)
FINDINGS = (
    *(EXTENSIONS, CERTIFICATE, BACKUP_MX, UNTRUSTED, ADDRESS, SIZE, MX_SET),
    *(NODE, RELAY, UNKNOWN_RECIPIENT, *POLICIES),
)
#: Metrics that thresholds can be set for: those of every run, and those of ``--delivered``.
MEASURED = (*STAGES, TOTAL)
IN_MAILBOX = DELIVERED, DELAY = "delivered", "delay"
SEVERITY_KEYS = (
    *(kind.value for kind in Kind),
    *UNTIL,
    *(verdict.value for verdict in Verdict if verdict not in (Verdict.PASSED, Verdict.UNTESTED)),
    *FINDINGS,
    DELIVERED,
)
#: Profiles that are not of one generation.
AUTO, EXMFA, SUBMISSION, NONE = "auto", "exmfa", "submission", "none"
PROFILES = (
    *(AUTO, EXMFA),
    *(generation.value for generation in Generation if generation not in SEVERAL),
    *(SUBMISSION, NONE),
)
MECHANISMS = ("auto", *(mechanism.value.lower() for mechanism in Mechanism))
RULES = tuple(rule.value for rule in Rule)

#: Most sessions with one server; Exchange takes 20 connections from one address.
MAX_CONNECTIONS = 15
DEFAULT_SUBJECT = "Mail acceptance test"
#: Headers that the plugin writes itself.
OWN_HEADERS = (
    *("from", "to", "date", "message-id", "subject", "auto-submitted"),
    *("x-auto-response-suppress", "precedence", "x-exchange-mailaccept"),
)
#: Characters that an atom of an address can't have (RFC 5322 3.2.3).
_SPECIALS = '()<>[]:;@\\,."'


def one_line(text: str) -> str:
    """Text without line ends and control characters."""
    if any(_is_control(character) and character != "\t" for character in text):
        raise ValueError("line ends and control characters are not allowed")
    return text


def _is_control(character: str) -> bool:
    """Whether ``character`` is one of C0 or C1, a line end of Unicode, or a lone surrogate."""
    return (
        character < " "
        or "\x7f" <= character <= "\x9f"
        or character in "\u2028\u2029"
        or "\ud800" <= character <= "\udfff"
    )


def _is_decimal(text: str, decimals: int = 12) -> bool:
    """Whether ``text`` is a number like ``5``, ``0.5``, ``.5`` or ``5.``, in ASCII digits."""
    whole, _, fraction = text.partition(".")
    return (
        (consists_of(DIGITS, whole) or (not whole and consists_of(DIGITS, fraction)))
        and (not fraction or consists_of(DIGITS, fraction))
        and len(whole) <= 12
        and len(fraction) <= decimals
    )


def port(text: str) -> int:
    """A TCP port."""
    if not consists_of(DIGITS, text) or len(text) > 5 or not 1 <= int(text) <= 65535:
        raise ValueError("must be a port from 1 to 65535")
    return int(text)


def parallel(text: str) -> int:
    """The maximum number of servers at once."""
    if not consists_of(DIGITS, text) or len(text) > 3 or int(text) < 1:
        raise ValueError("must be a number from 1 to 999")
    return int(text)


def connections(text: str) -> int:
    """The number of sessions with each address."""
    if not consists_of(DIGITS, text) or len(text) > 3 or not 1 <= int(text) <= MAX_CONNECTIONS:
        raise ValueError(f"must be a number from 1 to {MAX_CONNECTIONS}")
    return int(text)


def timeout(text: str) -> float:
    """The time limit of the whole run, in seconds."""
    # Icinga's configuration divides its own limit, which can give that many decimals.
    seconds = float(text) if _is_decimal(text, 25) else 0.0
    if not 0 < seconds <= 86_400:
        raise ValueError("must be a number above 0, up to 86400")
    return seconds


def host(text: str) -> str:
    """A server: its name in ASCII, or its address, with or without brackets."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return address(bare) if is_address(bare) else _name(bare)


def _name(text: str) -> str:
    """A host or domain name, in ASCII."""
    name = to_ascii(text)
    if any(label.startswith("-") or label.endswith("-") for label in name.split(".")):
        raise ValueError("is not a name: no part of it may begin or end with a hyphen")
    last = name.rpartition(".")[2].lower()
    # Resolvers take 127.1 or 0x7f.1 for an address (inet_aton(3)).
    if consists_of(DIGITS, last) or (last[:2] == "0x" and not last[2:].strip("0123456789abcdef")):
        raise ValueError("is neither a name nor an IP address")
    return name


def domain(text: str) -> str:
    """A mail domain, in ASCII."""
    if is_address(text):
        raise ValueError("must be a domain; a server is named with -H")
    return _name(text)


def mx(text: str) -> str:
    """The name of an MX, in ASCII and lower case; a leading ``*.`` matches one or more labels."""
    bare = text.removeprefix("*.")
    if is_address(bare):
        raise ValueError("must be a name, as MX records have")
    return text[: len(text) - len(bare)] + _name(bare).lower()


def nameserver(text: str) -> tuple[str, int]:
    """Address and port of a DNS server."""
    server, its_port = text, str(DNS_PORT)
    before, colon, after = text.rpartition(":")
    # Without brackets, several colons are an IPv6 address.
    if colon and consists_of(DIGITS, after) and (before[-1:] == "]" or before.count(":") == 0):
        server, its_port = before, after
    if server.startswith("[") and server.endswith("]"):
        server = server[1:-1]
    return address(server), port(its_port)


def mailbox(text: str) -> str:
    """An address of the envelope, its domain in ASCII; it may have no domain."""
    text = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    local_part, at, domain_part = text.rpartition("@")
    if not at:
        local_part, domain_part = text, ""
    if not (all(map(_is_atom, local_part.split("."))) or _is_quoted(local_part)):
        raise ValueError("is not a mail address")
    if len(local_part.encode("utf-8", "replace")) > 64:
        raise ValueError("has more than 64 bytes before the @ (RFC 5321 4.5.3.1.1)")
    one_line(local_part)
    if not at:
        return local_part
    complete = f"{local_part}@{name_or_literal(domain_part)}"
    if len(complete.encode("utf-8", "replace")) > 254:
        raise ValueError("is longer than 254 bytes (RFC 5321 4.5.3.1.3)")
    return complete


def _is_atom(text: str) -> bool:
    """Whether ``text`` is an atom, which may have characters beyond ASCII (RFC 6531 3.3)."""
    return bool(text) and not any(
        character in _SPECIALS
        or character.isspace()
        or character <= " "
        or "\x7f" <= character <= "\x9f"
        for character in text
    )


def _is_quoted(text: str) -> bool:
    """Whether ``text`` is a quoted string of printable ASCII (RFC 5321 4.1.2)."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return False
    # A backslash quotes the next character, which may be a quote or a backslash.
    inside = text[1:-1].replace("\\\\", "").replace('\\"', "")
    return text.isascii() and text.isprintable() and '"' not in inside and not inside.endswith("\\")


def name_or_literal(text: str) -> str:
    """A name, or an address literal as in EHLO and ``user@[192.0.2.1]`` (RFC 5321 4.1.3)."""
    if not (text.startswith("[") and text.endswith("]")):
        return _name(text)
    literal = text[1:-1]
    tagged = literal[:5].lower() == "ipv6:"
    canonical = address(literal[5:] if tagged else literal)
    if "%" in canonical or tagged != (":" in canonical):
        raise ValueError("must be an IP address")
    return f"[IPv6:{canonical}]" if tagged else f"[{canonical}]"


def sender(text: str) -> str:
    """A reverse-path; the null reverse-path is the empty string."""
    if text == "<>":
        return ""
    path = mailbox(text)
    if "@" not in path:
        raise ValueError("must have a domain, or be <> for the null reverse-path")
    return path


def subject(text: str) -> str:
    """The value of the header ``Subject``."""
    return header(f"Subject: {text}").partition(": ")[2]


def header(text: str) -> str:
    """A header line; a value that is not ASCII is encoded (RFC 2047)."""
    name, colon, value = one_line(text).partition(":")
    if not colon or not name or not all("!" <= character <= "~" for character in name):
        raise ValueError("must be 'Name: value'")
    value = value.removeprefix(" ")
    if not value.isascii():
        from email.header import Header

        # Encoded words of at most 75 characters each, on a line that is not folded.
        value = Header(value, "utf-8", maxlinelen=75, continuation_ws="").encode(linesep=" ")
    if len(name) + len(value) > 996:
        raise ValueError("is longer than 998 characters (RFC 5322 2.1.1)")
    return f"{name}: {value}"


def further_header(text: str) -> str:
    """A header line that the plugin does not write itself."""
    line = header(text)
    name = line.partition(":")[0]
    if name.lower() in OWN_HEADERS:
        raise ValueError(f"{name} is set by the plugin itself")
    return line


def keyword(text: str) -> str:
    """An EHLO keyword, in capitals; its line has at most 512 bytes (RFC 5321 4.5.3.1.5)."""
    fits = len(text) <= 512 - len("250-\r\n")
    if not fits or not consists_of(LETTERS + DIGITS + "-", text) or text.startswith("-"):
        raise ValueError("is not an EHLO keyword")
    return text.upper()


class Choice:
    """A converter that takes one of ``names``, in upper or lower case."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, text: str) -> str:
        """``text`` in lower case."""
        if text.lower() not in self.names:
            raise ValueError(f"must be one of {' '.join(self.names)}")
        return text.lower()


def severity(text: str) -> tuple[str, str]:
    """Key and state of ``--severity``, in lower case."""
    key, _, state = text.lower().partition("=")
    if not (_is_code(key) or key in SEVERITY_KEYS):
        raise ValueError(
            f"'{key}' is neither a reply code, an enhanced code nor one of"
            f" {' '.join(SEVERITY_KEYS)}"
        )
    if state not in STATES:
        raise ValueError(f"the state must be one of {' '.join(STATES)}")
    return key, state


def _is_code(text: str) -> bool:
    """Whether ``text`` is a negative reply code or enhanced status code."""
    parts = text.split(".")
    if text[:1] not in ("4", "5") or not all(consists_of(DIGITS, part) for part in parts):
        return False
    sizes = [len(part) for part in parts]
    return sizes == [3] or (len(sizes) == 3 and sizes[0] == 1 and max(sizes) <= 3)


def threshold(text: str) -> tuple[str, str]:
    """Metric and range of a threshold; the range keeps its text."""
    metric, equals, range_ = text.partition("=")
    if not equals:
        metric, range_ = TOTAL, text
    if metric not in MEASURED and metric not in IN_MAILBOX:
        raise ValueError(f"'{metric}' is none of {' '.join((*MEASURED, *IN_MAILBOX))}")
    start, _, end = range_.removeprefix("@").rpartition(":")
    bounds = ["" if start == "~" else start, end]
    if range_ in ("", "@") or not all(
        _is_decimal(bound.removeprefix("-")) for bound in bounds if bound
    ):
        raise ValueError(f"'{range_}' is not a range ([@][start:][end], in seconds)")
    if end and start != "~" and float(start or "0") > float(end):
        raise ValueError(f"'{range_}' starts after its end")
    return metric, range_


def days(text: str) -> tuple[float, ...]:
    """Days left for WARNING and, after a comma, for CRITICAL."""
    parts = text.split(",")
    if not all(_is_decimal(part) and float(part) <= 100_000 for part in parts):
        raise ValueError("must be a number from 0 to 100000")
    limits = tuple(map(float, parts))
    if len(limits) > 2 or limits != tuple(sorted(limits, reverse=True)):
        raise ValueError(
            "must be DAYS or DAYS,DAYS, the second for CRITICAL and not above the first"
        )
    return limits


def readable(path: str) -> str:
    """The name of a regular file that can be read."""
    _regular(path)
    try:
        with open(path, "rb"):
            return path
    except (OSError, ValueError) as error:
        raise ValueError(f"can't be read: {_why(error)}") from None


def secret(path: str) -> str:
    """The first line of a file that not every user of this host may read."""
    _regular(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                raise ValueError("everybody may read it; chmod o-r is wanted")
            line = file.readline(100_000).rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"can't be read: {_why(error)}") from None
    if not line:
        raise ValueError("its first line is empty")
    return line


def _regular(path: str) -> None:
    """Refuse a FIFO or a device: no deadline is set yet while a reader waits for a writer.

    :raises ValueError: ``path`` is not a regular file
    """
    if "\0" in path:
        # The text of the error differs between versions of Python.
        raise ValueError("can't be read: embedded null byte")
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise ValueError(f"can't be read: {_why(error)}") from None
    if not stat.S_ISREG(mode):
        raise ValueError("can't be read: it is not a regular file")


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def is_installed(package: str) -> bool:
    """Whether the Python package ``package`` can be imported, without importing it."""
    if package in sys.modules:
        return sys.modules[package] is not None
    # As importlib.util.find_spec does, without importing importlib.util.
    return any(finder.find_spec(package, None) is not None for finder in sys.meta_path)


def how_to_install(*packages: str) -> str:
    """The command that installs Python packages for the Python that runs this."""
    if sys.prefix != sys.base_prefix:
        return f"{sys.executable} -m pip install {' '.join(packages)}"
    # Debian's pip does not install outside a virtual environment.
    return f"Debian: apt install {' '.join(f'python3-{package}' for package in packages)}"
