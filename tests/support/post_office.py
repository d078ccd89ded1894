"""Postfix, which accepts mail, and Dovecot, which gets it by LMTP and shows it by IMAP."""

from __future__ import annotations

import http.server
import imaplib
import json
import os
import pwd
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from support.certificates import Authority
from support.postfix import configure
from support.programs import find_program, find_user, free_port

PASSWORD, TOKEN = "Pass word & \u00fcber", "eyJ0eXAi.token-of-the-mailbox.sig"
USERS = ("good", "held", "full", "junk")

MAIN_CF = """\
virtual_mailbox_domains = mx.test
virtual_mailbox_maps = inline:{ USERS }
virtual_transport = lmtp:inet:127.0.0.1:LMTP
smtpd_recipient_restrictions =
    check_recipient_access inline:{ { held@mx.test = HOLD } }
    permit
queue_run_delay = 1s
minimal_backoff_time = 1s
"""
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
lmtp unix - - n - - lmtp
"""

DOVECOT_CONF = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{certificate}
auth_mechanisms = plain login xoauth2
auth_username_format = %Ln
mail_location = maildir:{directory}/mail/%n
first_valid_uid = 1
lda_mailbox_autocreate = yes
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = {directory}/users
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {directory}/oauth2.conf
}}
userdb {{
  driver = passwd-file
  args = {directory}/users
}}
namespace inbox {{
  inbox = yes
}}
mail_plugins = $mail_plugins quota
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  quota = maildir:User quota
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
# It would hold back the logons after one that was refused.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


class PostOffice(NamedTuple):
    """Both servers, running."""

    directory: Path
    #: TCP ports.
    smtp: int
    imap: int
    imaps: int
    #: The authority of its certificates, in PEM.
    authority: str
    password_file: str
    token_file: str
    control: str

    def release(self) -> None:
        """Let go what is held in the queue."""
        self._control("-H")

    def forget(self) -> None:
        """Delete what is in the queue."""
        self._control("-d")

    def _control(self, action: str) -> None:
        command = [self.control, "-c", str(self.directory / "etc"), action, "ALL"]
        subprocess.run(command, check=True, capture_output=True)

    def log_on(self, user: str) -> imaplib.IMAP4_SSL:
        """A client of the user's mailbox."""
        # Not the default context, which is stricter since Python 3.13 than mail programs are.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        client = imaplib.IMAP4_SSL("127.0.0.1", self.imaps, ssl_context=context)
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        return client

    def letters(self, user: str, folder: str = "INBOX") -> list[tuple[str, bytes]]:
        """Flags and header of all that is in a folder."""
        client = self.log_on(user)
        client.select(folder, readonly=True)
        _, fetched = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER])")
        client.logout()
        pairs = [item for item in fetched if isinstance(item, tuple)]
        flags = [b" ".join(imaplib.ParseFlags(about)).decode() for about, _ in pairs]
        return [(flag.replace("\\Recent", "").strip(), pair[1]) for flag, pair in zip(flags, pairs)]

    def append(self, user: str, *messages: bytes, ago: float = 0.0) -> None:
        """Put messages into the inbox that arrived ``ago`` seconds before now."""
        client = self.log_on(user)
        for message in messages:
            date = imaplib.Time2Internaldate(time.time() - ago)
            status, said = client.append("INBOX", "", date, message)
            assert status == "OK", said
        client.logout()

    def empty(self, user: str) -> None:
        """Delete all of a user's mail."""
        client = self.log_on(user)
        for folder in ("INBOX", "Junk"):
            status, number = client.select(folder)
            if status == "OK" and number != [b"0"]:
                client.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
                client.expunge()
        client.logout()


class TokenServer(http.server.ThreadingHTTPServer):
    """Says whose a token is (RFC 7662)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Introspection)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Introspection(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        token = urllib.parse.parse_qs(asked).get("token", [""])[0]
        answer: dict[str, Any] = {"active": token == TOKEN}
        if token == TOKEN:
            answer["username"] = "good"
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def open_post_office(
    directory: Path, launch: Callable[..., object], introspection: int
) -> PostOffice:
    """Start both.

    :param launch: starts a server in a directory, and waits until it listens on a port
    :param introspection: port of the token server
    """
    smtp, imap, imaps, lmtp = (free_port() for _ in range(4))
    control = find_program("postsuper", package="postfix")
    dovecot = find_program("dovecot", package="dovecot-core")
    find_user("dovecot", package="dovecot-core")
    find_program("imap", package="dovecot-imapd")
    find_program("lmtp", package="dovecot-lmtpd")
    find_program("sievec", package="dovecot-sieve")
    addresses = " ".join(f"{user}@mx.test={user}" for user in USERS)
    postfix, environment = configure(
        directory,
        MAIN_CF.replace("USERS", addresses).replace("LMTP", str(lmtp)),
        SERVICES.format(port=smtp),
    )
    nobody = pwd.getpwnam("nobody")
    for name in ("mail", "home", "state", "secrets"):
        (directory / name).mkdir()
    for name in ("mail", "home"):
        os.chown(directory / name, nobody.pw_uid, nobody.pw_gid)
    secrets = directory / "secrets"
    authority = Authority(secrets, "Post Office CA")
    certificate = authority.issue("127.0.0.1", "127.0.0.1")
    for name, secret in (("password", PASSWORD), ("token", TOKEN)):
        (secrets / name).write_text(f"{secret}\n", encoding="utf-8")
        (secrets / name).chmod(0o600)
    users = ""
    for user in USERS:
        home = directory / "home" / user
        home.mkdir()
        if user == "junk":
            (home / ".dovecot.sieve").write_text('require "fileinto"; fileinto "Junk";\n')
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        quota = "userdb_quota_rule=*:bytes=1" if user == "full" else ""
        users += f"{user}:{{PLAIN}}{PASSWORD}:{nobody.pw_uid}:{nobody.pw_gid}::{home}::{quota}\n"
    (directory / "users").write_text(users, encoding="utf-8")
    (directory / "oauth2.conf").write_text(
        f"introspection_url = http://127.0.0.1:{introspection}/\nintrospection_mode = post\n"
        "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
    )
    (directory / "dovecot.conf").write_text(
        DOVECOT_CONF.format(
            directory=directory, certificate=certificate.file, imap=imap, imaps=imaps, lmtp=lmtp
        )
    )
    launch([dovecot, "-F", "-c", directory / "dovecot.conf"], directory, imaps)
    launch(postfix, directory, smtp, environment)
    return PostOffice(
        directory, smtp, imap, imaps, authority.file, str(secrets / "password"),
        str(secrets / "token"), control,
    )  # fmt: skip
