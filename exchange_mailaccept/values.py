"""What a word on the command line may be: text in, value out, or a ValueError with what is wrong.

Whatever goes into a command, a header or a packet is checked here, before the first packet.
"""

from __future__ import annotations

import os
import re
import stat

from . import mx
from .acceptance import is_address
from .message import Content, Envelope, compose
from .stages import Kind, Stage, Verdict

STATES = ("ok", "warning", "critical", "unknown")
#: Metrics and findings that have no stage of their own.
TOTAL, EXTENSIONS, CERTIFICATE, BACKUP_MX = "total", "extensions", "certificate", "backup-mx"
#: Stages at which the walk can be told to end.
UNTIL = tuple(stage for stage in Stage if stage is not Stage.QUIT)
#: Metrics that thresholds can be set for.
MEASURED = (*(stage.value for stage in Stage), TOTAL)
SEVERITY_KEYS = (
    *(kind.value for kind in Kind),
    *(stage.value for stage in UNTIL),
    *(verdict.value for verdict in Verdict if verdict not in (Verdict.PASSED, Verdict.UNTESTED)),
    EXTENSIONS,
    CERTIFICATE,
    BACKUP_MX,
)

_CODE = re.compile(r"[45][0-9][0-9]|[45]\.[0-9]{1,3}\.[0-9]{1,3}")
_NUMBER = r"(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})"
_RANGE = re.compile(rf"@?(?:(~|-?{_NUMBER})?:)?(-?{_NUMBER})?")
_ATOM = r"[^\s\x00-\x20\x7f-\x9f()<>\[\]:;@\\,.\"]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED_LOCAL_PART = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_DOTTED_QUAD = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,15}")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_HEADER = re.compile(r"([!-9;-~]+): ?(.*)")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """Text without line ends and control characters."""
    if _UNPRINTABLE.search(text):
        raise ValueError("line ends and control characters are not allowed")
    return text


def number(text: str, least: float, most: float) -> float:
    """A decimal number in ASCII digits."""
    if not re.fullmatch(_NUMBER, text) or not least <= float(text) <= most:
        raise ValueError(f"must be a number from {least:g} to {most:g}")
    return float(text)


def port(text: str) -> int:
    """A TCP port."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError("must be a port from 1 to 65535")
    return int(text)


def parallel(text: str) -> int:
    """How many servers at the same time."""
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) < 1:
        raise ValueError("must be a number from 1 to 999")
    return int(text)


def timeout(text: str) -> float:
    """Seconds of the whole run."""
    # From a millisecond, which is as fine as poll counts.
    return number(text, 0.001, 86_400)


def address(text: str) -> str:
    """An IP address."""
    if _DOTTED_QUAD.fullmatch(text):
        return text
    # Imported here because only those who name another address pay its 3 ms.
    import ipaddress

    bare, percent, zone = text.partition("%")
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError("must be an IP address") from None
    if percent and (found.version == 4 or not _ZONE.fullmatch(zone)):
        raise ValueError("must be an IP address")
    return f"{found}{percent}{zone}"


def host(text: str) -> str:
    """A server by name (in ASCII) or address, which may stand in brackets."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return address(bare) if is_address(bare) else _name(bare)


def _name(text: str) -> str:
    """A host or domain name, in ASCII."""
    name = mx.to_ascii(text)
    if any(label.startswith("-") or label.endswith("-") for label in name.split(".")):
        raise ValueError("is no name: no part of it may begin or end with a hyphen")
    # Resolvers take 127.1 or 0x7f.1 for an address (inet_aton(3)).
    if re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", name.rpartition(".")[2]):
        raise ValueError("is neither a name nor an IP address")
    return name


def domain(text: str) -> str:
    """A mail domain, in ASCII."""
    if is_address(text):
        raise ValueError("must be a domain; a server is named with -H")
    return _name(text)


def nameserver(text: str) -> tuple[str, int]:
    """Address and port of a DNS server."""
    match = re.fullmatch(r"\[([^]]+)\](?::([0-9]+))?|([^:]+)(?::([0-9]+))?|(.*)", text)
    if match is None:
        raise ValueError("must be an IP address")
    return address(match[1] or match[3] or match[5] or ""), port(match[2] or match[4] or "53")


def mailbox(text: str) -> str:
    """An address for the envelope, its domain in ASCII; the domain may be missing."""
    text = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    local_part, at, domain_part = text.rpartition("@")
    if not at:
        local_part, domain_part = text, ""
    if not (_LOCAL_PART.fullmatch(local_part) or _QUOTED_LOCAL_PART.fullmatch(local_part)):
        raise ValueError("is not a mail address")
    if len(local_part.encode("utf-8", "replace")) > 64:
        raise ValueError("has more than 64 bytes before the @ (RFC 5321 4.5.3.1.1)")
    one_line(local_part)
    if not at:
        return local_part
    found = f"{local_part}@{_name_or_literal(domain_part)}"
    if len(found.encode("utf-8", "replace")) > 254:
        raise ValueError("is longer than 254 bytes (RFC 5321 4.5.3.1.3)")
    return found


def _name_or_literal(text: str) -> str:
    """A name, or an address literal as in ``user@[192.0.2.1]`` (RFC 5321 4.1.3)."""
    if not (text.startswith("[") and text.endswith("]")):
        return _name(text)
    bare = text[1:-1]
    tagged = bare[:5].lower() == "ipv6:"
    found = address(bare[5:] if tagged else bare)
    if "%" in found or tagged != (":" in found):
        raise ValueError("must be an IP address")
    return f"[IPv6:{found}]" if tagged else f"[{found}]"


def sender(text: str) -> str:
    """A reverse-path; the null one is the empty string."""
    if text == "<>":
        return ""
    found = mailbox(text)
    if "@" not in found:
        raise ValueError("must have a domain, or be <> for the null reverse-path")
    return found


def ehlo_name(text: str) -> str:
    """The argument of EHLO: a name or an address literal."""
    return _name_or_literal(text)


def subject(text: str) -> str:
    """The value of the header ``Subject``."""
    return header(f"Subject: {text}").partition(": ")[2]


def header(text: str) -> str:
    """A header line in ASCII."""
    match = _HEADER.fullmatch(one_line(text))
    if match is None:
        raise ValueError("must be 'Name: value'")
    name, value = match.groups()
    if not value.isascii():
        # Imported here because a header that is not ASCII is rare (RFC 2047).
        from email.header import Header

        # Several encoded words, none above 75 characters, on a line that is not folded.
        value = Header(value, "utf-8", maxlinelen=75, continuation_ws="").encode(linesep=" ")
    if len(name) + len(value) > 996:
        raise ValueError("is longer than 998 characters (RFC 5322 2.1.1)")
    return f"{name}: {value}"


def further_header(text: str) -> str:
    """A header line that the probe message does not have already."""
    line = header(text)
    name = line.partition(":")[0]
    example = compose(Envelope("a@b.c", "a@b.c"), Content(), "<a@b.c>", 0).decode("ascii").lower()
    if f"\r\n{name.lower()}:" in f"\r\n{example}":
        raise ValueError(f"{name} is set by the plugin itself")
    return line


def keyword(text: str) -> str:
    """An EHLO keyword, in capitals."""
    if not _KEYWORD.fullmatch(text):
        raise ValueError("is no EHLO keyword")
    return text.upper()


class Choice:
    """One of ``names``, in whatever case."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, text: str) -> str:
        """The name that ``text`` is."""
        if text.lower() not in self.names:
            raise ValueError(f"must be one of {' '.join(self.names)}")
        return text.lower()


def severity(text: str) -> tuple[str, str]:
    """Key and state of ``--severity``."""
    key, _, state = text.lower().partition("=")
    if not (_CODE.fullmatch(key) or key in SEVERITY_KEYS):
        raise ValueError(
            f"'{key}' is neither a reply code, an enhanced code nor one of"
            f" {' '.join(SEVERITY_KEYS)}"
        )
    if state not in STATES:
        raise ValueError(f"the state must be one of {' '.join(STATES)}")
    return key, state


def threshold(text: str) -> tuple[str, str]:
    """Metric and range of a threshold."""
    metric, equals, range_ = text.partition("=")
    if not equals:
        metric, range_ = TOTAL, text
    if metric not in MEASURED:
        raise ValueError(f"'{metric}' is none of {' '.join(MEASURED)}")
    match = _RANGE.fullmatch(range_)
    if match is None or not range_:
        raise ValueError(f"'{range_}' is no range ([@][start:][end], in seconds)")
    start, end = match[1] or "0", match[2]
    if end and start != "~" and float(start) > float(end):
        raise ValueError(f"'{range_}' starts after its end")
    return metric, range_


def days(text: str) -> tuple[float, ...]:
    """Days left for WARNING and, after a comma, for CRITICAL."""
    found = tuple(number(part, 0, 100_000) for part in text.split(","))
    if len(found) > 2 or found != tuple(sorted(found, reverse=True)):
        raise ValueError(
            "must be DAYS or DAYS,DAYS, the second for CRITICAL and not above the first"
        )
    return found


def readable(path: str) -> str:
    """The name of a file that can be read."""
    _regular(path)
    try:
        with open(path, "rb"):  # noqa: PTH123 - pathlib costs 3 ms
            return path
    except (OSError, ValueError) as error:
        raise ValueError(f"can't be read: {_why(error)}") from None


def secret(path: str) -> str:
    """The first line of a file that not everybody may read."""
    _regular(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - pathlib costs 3 ms
            if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                raise ValueError("everybody may read it; chmod o-r is wanted")
            found = file.readline(100_000).rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"can't be read: {_why(error)}") from None
    if not found:
        raise ValueError("its first line is empty")
    return found


def _regular(path: str) -> None:
    """Refuse what could keep us waiting for a writer, before any deadline is set."""
    if "\0" in path:
        # Each Python has its own words for it.
        raise ValueError("can't be read: embedded null byte")
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - pathlib costs 3 ms
    except (OSError, ValueError) as error:
        raise ValueError(f"can't be read: {_why(error)}") from None
    if not stat.S_ISREG(mode):
        raise ValueError("can't be read: it is no regular file")


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
