"""What a host, an address and a domain are, as they are typed, before anything is looked up.

All of this runs before the first packet (see ``launch``), so it imports next to nothing.
"""

from __future__ import annotations

#: The port of name servers (RFC 1035 4.2).
DNS_PORT = 53

DIGITS = "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LABEL = LETTERS + DIGITS + "-_"
# The dots that IDNA takes for a full stop (RFC 3490 3.1, UTS 46 4).
_OTHER_DOTS = "\u3002\uff0e\uff61"


def consists_of(characters: str, text: str) -> bool:
    """Whether ``text`` has one of ``characters`` at least, and no other."""
    return bool(text) and not text.strip(characters)


def is_number(text: str, most: int) -> bool:
    """Whether ``text`` is a whole number in ASCII digits, without leading zeros, up to ``most``."""
    if not consists_of(DIGITS, text) or len(text) > len(str(most)):
        return False
    return int(text) <= most and (text == "0" or text[0] != "0")


def is_address(host: str) -> bool:
    """Whether ``host`` is to be taken for an IPv4 or IPv6 address and not for a name."""
    return ":" in host or (host.count(".") == 3 and host.replace(".", "").isdecimal())


#: What an address is that is special because only this host itself answers there.
THIS_HOST = "this host itself"


def what_is_special(address: str) -> str:
    """Why no other host can reach ``address``, in its canonical form; empty if others may.

    Loopback and unspecified addresses (RFC 1122 3.2.1.3, RFC 4291 2.5), also as IPv4-mapped ones,
    link-local ones (RFC 3927, RFC 4291 2.5.6) and groups (RFC 5771, RFC 4291 2.7).  Private ones
    are ordinary.
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
    """Whether ``name`` is of this host itself, whatever a name server says (RFC 6761 6.3)."""
    return f".{name.lower()}".endswith(".localhost")


def address(text: str) -> str:
    """An IP address in its canonical form, with the zone that it may have (RFC 4007 11).

    :raises ValueError: it is none
    """
    parts = text.split(".")
    if len(parts) == 4 and all(is_number(part, 255) for part in parts):
        return text
    import ipaddress

    bare, percent, zone = text.partition("%")
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError("must be an IP address") from None
    right_zone = consists_of(_LABEL + ".", zone) and len(zone) <= 15
    if percent and (found.version == 4 or not right_zone):
        raise ValueError("must be an IP address")
    return f"{found}{percent}{zone}"


def is_label(text: str) -> bool:
    """Whether ``text`` can be a part of a name: letters, digits, hyphens, underscores."""
    return consists_of(_LABEL, text) and len(text) <= 63


def is_host_name(name: str) -> bool:
    """Whether ``name`` can be a host's, and is not an address or one with a port."""
    labels = name.split(".")
    # RFC 3696 2: the last label is not all-numeric, so that nothing can be taken for an address.
    return len(name) <= 253 and all(map(is_label, labels)) and not labels[-1].isdecimal()


def is_qualified(name: str) -> bool:
    """Whether ``name`` is a fully qualified one, as EHLO wants it (RFC 5321 2.3.5)."""
    labels = name.split(".")
    return (
        len(labels) > 1
        and all(consists_of(LETTERS + DIGITS + "-", label) for label in labels)
        and not any(label[0] == "-" or label[-1] == "-" for label in labels[:-1])
        and labels[-1][0] in LETTERS
    )


def to_ascii(domain: str) -> str:
    """Give the canonical form of a domain as it was typed: ASCII, without the final dot.

    Labels beyond ASCII become A-labels (IDNA 2008 with the mapping of UTS 46), which takes the
    ``idna`` package; ASCII labels stay as they are.  Raises ValueError, with a sentence for the
    user, if the result is no domain of letters, digits, hyphens and underscores (RFC 1035 2.3).
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
