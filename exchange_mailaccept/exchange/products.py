"""Names of other mail servers, filters and virus scanners, as they show in a session."""

from __future__ import annotations

import re

from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Names of mail proxies in banners, mostly of virus scanners.
_SCANNERS = (
    *("InterScan", "IMSVA", "IMSS", "AVG ESMTP", "avast!", "WebShield", "SMSMSE", "GFI"),
    *("UserGate", "Traffic Inspector"),
)
#: Names of other mail servers and filters in banners and EHLO replies.  In front of Exchange they
#: are gateways.
_PRODUCTS = (
    *("Postfix", "Exim", "Sendmail", "qmail", "Haraka", "OpenSMTPD", "hMailServer", "Courier"),
    *("Domino", "MDaemon", "Kerio", "Barracuda", "Sophos", "SonicWall", "FortiMail", "Mimecast"),
    *("Proofpoint", "IronPort", "Check Point", "CheckPoint", "Symantec", "NAVIEG", "Norton"),
    *("Trend Micro", "McAfee", "Clearswift", "MailMarshal", "Trustwave", "SpamTitan", "SEPPmail"),
    *("NoSpamProxy", "Forcepoint", "WatchGuard", "Halon", "Proxmox", "Libraesva", "MailCleaner"),
    *("GroupWise", "CommuniGate", "MailEnable", "IceWarp", "SmarterMail", "SurgeMail", "Axigen"),
    *("PowerMTA", "Zimbra", "ASSP", "Cellopoint", "Hornetsecurity", "Astaro", "Cisco"),
    *("MAILsweeper", "MIMEsweeper", "Websense", "FireEye", "Trellix", "ZixGateway", "Zix"),
    *("Kaspersky", "F-Secure", "Panda", "ESET", "Bitdefender", "eSafe", "Spamina", "modusGate"),
    *("Cloudmark", "eXpurgate", "Retarus", "MailScanner", "CanIt", "MFE", "Vamsoft", "XWall"),
    *("IMail", "ArGoSoft", "CCProxy", "AnalogX", "FTGate", "JAMES", "MailSite", "Merak", "MERCUR"),
    *("Mercury", "Netscape", "Lotus", "NTMail", "Gordano", "Eudora", "smap", "ecelerity"),
    *("Stalwart", "maddy", "ZoneMTA", "KumoMTA", "Postal", "GreenMail"),
)
#: The same by the form of a banner without a name.
_FORMS = {
    # The number of the session follows, which is also in the server's log.
    " ESMTP (": (r" ESMTP \([0-9a-f]{32}\)", "Barracuda"),
    " ESMTP Smtpd;": ("", "FortiMail"),
}
#: Services that filter mail in front of Exchange, by the ends of their host names.
_FILTERS = {
    ".mimecast.com": "Mimecast",
    ".mimecast.co.za": "Mimecast",
    ".pphosted.com": "Proofpoint",
    ".ppe-hosted.com": "Proofpoint",
    ".messagelabs.com": "Symantec",
    ".iphmx.com": "Cisco",
    ".barracudanetworks.com": "Barracuda",
    ".google.com": "Google",
    ".trendmicro.com": "Trend Micro",
    ".trendmicro.eu": "Trend Micro",
    ".sophos.com": "Sophos",
    ".hornetsecurity.com": "Hornetsecurity",
    ".antispameurope.com": "Hornetsecurity",
    ".retarus.com": "Retarus",
    ".mailcontrol.com": "Forcepoint",
    ".fireeyecloud.com": "Trellix",
    ".antispamcloud.com": "SpamExperts",
}


def scanner_named(words: str) -> str:
    """Which mail proxy or virus scanner is named in ``words``; empty if none is."""
    return _names_itself(_SCANNERS, words)


def product_named(banner: str, hello: str) -> str:
    """Which other mail server or filter answers, by its words; empty if none says so."""
    host, _, rest = banner.partition(" ")
    # Not every greeting begins with the host name, as RFC 5321 4.2 requires.
    spoken = rest if "." in host else banner
    # The EHLO reply may repeat the name of the client.
    greeting = [word for word in hello.split()[1:] if not set(".[(") & set(word)]
    named = _names_itself(_PRODUCTS, " ".join((spoken, *greeting)))
    # Compiling a pattern costs as much as importing a module.
    by_form = (
        name
        for begin, (form, name) in _FORMS.items()
        if begin in banner and re.search(form, banner)
    )
    return named or next(by_form, "")


def filter_service(*hosts: str) -> str:
    """Which service filters the mail, by the name of its host; empty if none is known."""
    ends = tuple(_FILTERS)
    host = next((host for host in map(str.lower, hosts) if host.endswith(ends)), "")
    return next((name for end, name in _FILTERS.items() if host.endswith(end)), "")


def _names_itself(products: Iterable[str], words: str) -> str:
    """Which of ``products`` is named in ``words``, as a whole word; empty if none is."""
    # Compiling a pattern for each of them would cost more than the whole dialogue.
    lower = words.lower()
    found = (name for name in products if name.lower() in lower)
    return next((name for name in found if re.search(rf"(?i)(?<!\w){name}(?!\w)", words)), "")
