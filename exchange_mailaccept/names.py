"""The syntax of host names, addresses and domains; nothing is looked up."""

from __future__ import annotations

#: The port of name servers (RFC 1035 4.2).
DNS_PORT = 53

DIGITS = "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LABEL = LETTERS + DIGITS + "-_"
# The characters that IDNA treats like a full stop (RFC 3490 3.1, UTS 46 4).
_OTHER_DOTS = "\u3002\uff0e\uff61"


def consists_of(characters: str, text: str) -> bool:
    """Whether ``text`` is not empty and has no other characters than ``characters``."""
    return bool(text) and not text.strip(characters)


def is_number(text: str, most: int) -> bool:
    """Whether ``text`` is a whole number in ASCII digits, without leading zeros, up to ``most``."""
    if not consists_of(DIGITS, text) or len(text) > len(str(most)):
        return False
    return int(text) <= most and (text == "0" or text[0] != "0")


def is_address(host: str) -> bool:
    """Whether ``host`` is meant as an IPv4 or IPv6 address and not as a name."""
    return ":" in host or (host.count(".") == 3 and host.replace(".", "").isdecimal())


#: What :func:`what_is_special` says of an address at which only this host itself answers.
THIS_HOST = "this host itself"


def what_is_special(address: str) -> str:
    """Why no other host can reach ``address``; empty if other hosts may.

    Special are loopback and unspecified addresses (RFC 1122 3.2.1.3, RFC 4291 2.5), also as
    IPv4-mapped ones, link-local ones (RFC 3927, RFC 4291 2.5.6) and multicast groups (RFC 5771,
    RFC 4291 2.7).  Private addresses are not.

    :param address: in its canonical form
    """
    if ":" in address:
        mapped = address.lower().removeprefix("::ffff:")
        if "." in mapped and ":" not in mapped:
            return what_is_special(mapped)
        if address in ("::", "::1"):
            return THIS_HOST
        group = address.partition(":")[0].lower()
        first = int(group, 16) if len(group) == 4 else 0
        if first & 0xFFC0 == 0xFE80:
            return "a link-local address"
        return "a multicast address" if first & 0xFF00 == 0xFF00 else ""
    if address.startswith("127.") or address == "0.0.0.0":
        return THIS_HOST
    if address.startswith("169.254."):
        return "a link-local address"
    return "a multicast address" if 224 <= int(address.partition(".")[0]) <= 239 else ""


def is_localhost(name: str) -> bool:
    """Whether ``name`` always means this host itself (RFC 6761 6.3)."""
    return f".{name.lower()}".endswith(".localhost")


def address(text: str) -> str:
    """An IP address in its canonical form; an IPv6 address may have a zone (RFC 4007 11).

    :raises ValueError: ``text`` is not an IP address
    """
    parts = text.split(".")
    if len(parts) == 4 and all(is_number(part, 255) for part in parts):
        return text
    import ipaddress

    bare, percent, zone = text.partition("%")
    try:
        canonical = ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError("must be an IP address") from None
    right_zone = consists_of(_LABEL + ".", zone) and len(zone) <= 15
    if percent and (canonical.version == 4 or not right_zone):
        raise ValueError("must be an IP address")
    return f"{canonical}{percent}{zone}"


def address_literal(address: str) -> str:
    """An IP address as an argument of EHLO (RFC 5321 4.1.3), without its zone."""
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def is_label(text: str) -> bool:
    """Whether ``text`` can be a label: 1 to 63 letters, digits, hyphens and underscores."""
    return consists_of(_LABEL, text) and len(text) <= 63


def is_host_name(name: str) -> bool:
    """Whether ``name`` can be a host's name, which an address is not (RFC 3696 2)."""
    labels = name.split(".")
    return len(name) <= 253 and all(map(is_label, labels)) and not labels[-1].isdecimal()


def is_covered(name: str, pattern: str) -> bool:
    """Whether ``pattern`` is ``name``, or has ``*.`` in place of its first label (RFC 6125 6.4)."""
    name, pattern = name.lower(), pattern.lower()
    return pattern == name or (pattern[:2] == "*." and pattern[2:] == name.partition(".")[2] != "")


def is_qualified(name: str) -> bool:
    """Whether ``name`` is fully qualified, as the argument of EHLO must be (RFC 5321 2.3.5)."""
    labels = name.split(".")
    return (
        len(labels) > 1
        and all(consists_of(LETTERS + DIGITS + "-", label) for label in labels)
        and not any(label[0] == "-" or label[-1] == "-" for label in labels[:-1])
        and labels[-1][0] in LETTERS
    )


def to_ascii(domain: str) -> str:
    """The canonical form of a domain: in ASCII, without the final dot.

    Labels that are not ASCII become A-labels (IDNA 2008 with the mapping of UTS 46), which needs
    the ``idna`` package; ASCII labels stay as they are.

    :raises ValueError: ``domain`` does not consist of letters, digits, hyphens and underscores (RFC
        1035 2.3), or ``idna`` is missing; the message is for the user
    """
    dotted = domain
    for dot in _OTHER_DOTS:
        dotted = dotted.replace(dot, ".")
    labels = dotted.split(".")
    if len(labels) > 1 and not labels[-1]:
        labels.pop()
    name = ".".join(label if label.isascii() else _a_label(label, domain) for label in labels)
    for label in name.split("."):
        if not is_label(label):
            raise ValueError(
                f"{domain!r} is not a domain: {label!r} is not 1 to 63 letters, digits, hyphens"
                " or underscores"
            )
    if len(name) > 253:
        raise ValueError(f"{domain!r} is not a domain: it is longer than 253 characters")
    return name


def _a_label(label: str, domain: str) -> str:
    try:
        import idna
    except ImportError:
        raise ValueError(
            f"{domain!r} needs the Python package idna, or to be given in its xn-- form"
        ) from None
    try:
        return idna.encode(label, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{domain!r} is not a domain: {error}") from error
