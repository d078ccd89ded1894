"""The plugin against real servers that speak TLS and AUTH, or fail to."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from support import exim, postfix
from support.programs import find_program, find_user, free_port, require_root

USER, PASSWORD = "probe@mx.test", "Password123 & more"


class Files(NamedTuple):
    """Certificate and secrets, in files."""

    authority: str
    certificate: str
    key: str
    password: str
    wrong: str

    @property
    def verify(self) -> tuple[str, ...]:
        return ("--verify", "--ca-file", self.authority)

    def log_on(self, mechanism: str, password: str = "") -> tuple[str, ...]:
        return ("-A", mechanism, "-U", USER, "--password-file", password or self.password)


@pytest.fixture(scope="session")
def files(server_directory) -> Files:
    directory = server_directory("tls")
    authority = trustme.CA()
    # RSA, because OpenSMTPD takes nothing else.
    issued = authority.issue_cert("mx.test", "127.0.0.1", key_type=trustme.KeyType.RSA)
    made = Files(*(str(directory / name) for name in ("ca", "cert", "key", "password", "wrong")))
    authority.cert_pem.write_to_path(made.authority)
    issued.private_key_pem.write_to_path(made.key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(made.certificate, append=True)
    Path(made.password).write_text(f"{PASSWORD}\n")
    Path(made.wrong).write_text("not the password\n")
    for name in (made.password, made.wrong, made.key):
        Path(name).chmod(0o600)
    return made


@pytest.fixture
def check(run_plugin) -> Callable[..., object]:
    """Test the server at a port; nothing of the password comes out."""

    def run(port, *arguments):
        recipient = () if "-r" in arguments else ("-r", "good@mx.test")
        done = run_plugin("-H", "127.0.0.1", "-p", str(port), *recipient, *arguments)
        assert not re.search(r"Password123|not the password", done.stdout)
        return done

    return run


# Postfix, with Cyrus SASL.

MAIN_CF = """\
default_transport = discard
relay_transport = discard
relay_domains = mx.test
relay_recipient_maps = inline:{ good@mx.test=1 }
smtpd_relay_restrictions = permit_sasl_authenticated reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = CERTIFICATE
smtpd_tls_key_file = KEY
smtpd_tls_CAfile = AUTHORITY
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
# Debian's Postfix looks there whatever is said here.
cyrus_sasl_config_path = {directory}/etc/sasl
"""
MASTER_CF = """\
127.0.0.1:{0.starttls} inet n - n - - smtpd
127.0.0.1:{0.smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{0.strict} inet n - n - - smtpd -o smtpd_tls_req_ccert=yes
 -o smtpd_tls_security_level=encrypt
discard unix - - n - - discard
"""
SMTPD_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {directory}/sasldb
mech_list: PLAIN LOGIN NTLM
"""


class Ports(NamedTuple):
    """The ports of one Postfix."""

    #: STARTTLS, AUTH inside it.
    starttls: int
    #: TLS from the first byte.
    smtps: int
    #: STARTTLS with a client certificate.
    strict: int


@pytest.fixture(scope="session")
def postfix_ports(files, launch_for_session, server_directory) -> Ports:
    set_password = find_program("saslpasswd2", package="sasl2-bin libsasl2-modules")
    directory = server_directory("postfix-tls")
    ports = Ports(free_port(), free_port(), free_port())
    settings = MAIN_CF
    for name in ("certificate", "key", "authority"):
        settings = settings.replace(f" {name.upper()}\n", f" {getattr(files, name)}\n")
    command, environment = postfix.configure(directory, settings, MASTER_CF.format(ports))
    (directory / "etc" / "sasl").mkdir()
    (directory / "etc" / "sasl" / "smtpd.conf").write_text(SMTPD_CONF.format(directory=directory))
    user, _, realm = USER.partition("@")
    subprocess.run(
        [set_password, "-p", "-c", "-f", directory / "sasldb", "-u", realm, user],
        input=PASSWORD.encode(),
        check=True,
        capture_output=True,
    )
    os.chown(directory / "sasldb", find_user("postfix", package="postfix"), -1)
    launch_for_session(command, directory, ports.starttls, environment)
    return ports


@pytest.mark.parametrize("mechanism", ["plain", "login", "ntlm", "auto"])
@pytest.mark.parametrize("mode", ["-S", "-s", "--starttls-if-offered"])
def test_postfix_takes_mail_of_one_who_logged_on(check, postfix_ports, files, mode, mechanism):
    """Also for a domain that is not its own; TLS verified, the certificate's days counted."""
    run = check(
        postfix_ports.smtps if mode == "-s" else postfix_ports.starttls,
        *(mode, *files.verify, *files.log_on(mechanism), "-D", "30", "--profile", "none"),
        *("-r", "someone@elsewhere.test"),
    )
    assert (run.exit_code, run.first_line) == (
        0,
        "MAILACCEPT OK - 127.0.0.1 accepted mail for someone@elsewhere.test in #s",
    )
    assert set(run.perfdata) == {
        *("connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "message"),
        *("quit", "total", "certificate", "extensions"),
    }
    assert re.fullmatch(r"[0-9.]+;30:", run.perfdata["certificate"])


@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_postfix_refuses_a_wrong_password(check, postfix_ports, files, mechanism):
    run = check(postfix_ports.starttls, "-S", *files.log_on(mechanism, files.wrong), "-vv")
    assert run.exit_code == 2
    assert run.first_line.startswith(
        "MAILACCEPT CRITICAL - 127.0.0.1 refused AUTH: 535 5.7.8 Error: authentication failed:"
    )


@pytest.mark.parametrize(
    ("port", "options", "words"),
    [
        ("starttls", lambda _: ("-S", "-r", "someone@elsewhere.test"),
         "refused RCPT someone@elsewhere.test: 554 5.7.1 [someone@elsewhere.test]: Relay access"
         " denied"),
        ("starttls", lambda files: (*files.log_on("plain"), "--auth-without-tls"),
         "does not offer AUTH PLAIN"),
        ("strict", lambda _: ("-S",),
         "refused EHLO after STARTTLS: 421 4.7.1 mx.test Error: No client certificate presented"),
        ("starttls", lambda files: ("-S", *files.verify, "--tls-name", "mail.contoso.com"),
         "failed at STARTTLS: the certificate is for another name (OpenSSL: Hostname mismatch,"
         " certificate is not valid for 'mail.contoso.com'.)"),
    ],
    ids=["relay", "logon outside TLS", "without client certificate", "another name"],
)  # fmt: skip
def test_postfix_refuses(check, postfix_ports, files, port, options, words):
    run = check(getattr(postfix_ports, port), *options(files))
    assert (run.exit_code, run.first_line) == (2, f"MAILACCEPT CRITICAL - 127.0.0.1 {words}")


def test_postfix_takes_a_client_certificate(check, postfix_ports, files):
    own = ("--client-cert", files.certificate, "--client-key", files.key)
    run = check(postfix_ports.strict, "-S", *own, "--profile", "none", "--until", "rcpt")
    assert run.exit_code == 0


# Exim, with GnuTLS.

EXIM = r"""
tls_advertise_hosts = *
tls_certificate = {files.certificate}
tls_privatekey = {files.key}

begin acl
recipient:
  accept authenticated = *
  deny   message = 5.7.1 Relaying denied

begin routers
blackhole:
  driver = redirect
  data = :blackhole:

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
  server_advertise_condition = ${{if def:tls_in_cipher}}
"""


@pytest.fixture(scope="session")
def exim_port(files, launch_for_session, server_directory) -> int:
    """The port of an Exim that takes mail of those who log on, and throws it away."""
    directory, port = server_directory("exim-tls"), free_port()
    settings = EXIM.format(files=files, user=USER, password=PASSWORD)
    launch_for_session([*exim.configure(directory, port, settings), "-bdf"], directory, port)
    return port


@pytest.mark.parametrize("mechanism", ["plain", "login", "auto"])
def test_exim_takes_mail_of_one_who_logged_on(check, exim_port, files, mechanism):
    argv = ("-S", *files.verify, *files.log_on(mechanism), "--profile", "none", "-v")
    run = check(exim_port, *argv)
    assert (run.exit_code, run.first_line) == (
        0,
        "MAILACCEPT OK - 127.0.0.1 accepted mail for good@mx.test in #s",
    )
    assert re.search(r"(?m)^TLS: TLSv1\.3 \S+, certificate verified$", run.stdout)


# OpenSMTPD, whose STARTTLS fails where its lookup process does not have the key.

SMTPD = """\
pki mx.test cert "{files.certificate}"
pki mx.test key "{files.key}"
listen on 127.0.0.1 port {port} hostname mx.test tls pki mx.test
action "sink" maildir "{directory}/maildir"
match from any for domain "mx.test" action "sink"
"""
#: Its directories and users are compiled in; this gives it some of its own.
NAMESPACE = """\
set -e
mount --bind {directory}/passwd /etc/passwd
mount --bind {directory}/group /etc/group
mount -t tmpfs none /run
mkdir -p /run/opensmtpd/empty
mount -t tmpfs none /var/spool
mkdir -m 711 -p /var/spool/smtpd
mount -t tmpfs none /var/lib
mkdir -p /var/lib/opensmtpd/empty
exec {program} -d -f {directory}/smtpd.conf
"""


@pytest.fixture(scope="session")
def opensmtpd(files, launch_for_session, server_directory) -> int:
    """The port of an OpenSMTPD that announces STARTTLS and can't do it."""
    # Postfix has a program of the same name.
    program = Path(find_program("smtpctl", package="opensmtpd")).resolve().parent / "smtpd"
    unshare = find_program("unshare", package="util-linux")
    require_root("OpenSMTPD")
    directory = server_directory("opensmtpd")
    port = free_port()
    users = "opensmtpd:x:64001:64001::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n"
    users += users.replace("opensmtpd", "opensmtpq", 1).replace("64001", "64002")
    (directory / "passwd").write_text(Path("/etc/passwd").read_text() + users)
    groups = "opensmtpd:x:64001:\nopensmtpq:x:64002:\n"
    (directory / "group").write_text(Path("/etc/group").read_text() + groups)
    configuration = SMTPD.format(directory=directory, port=port, files=files)
    (directory / "smtpd.conf").write_text(configuration)
    script = NAMESPACE.format(
        directory=shlex.quote(str(directory)), program=shlex.quote(str(program))
    )
    launch_for_session([unshare, "--mount", "sh", "-c", script], directory, port)
    return port


@pytest.mark.parametrize("mode", ["-S", "--starttls-if-offered"])
def test_starttls_that_is_announced_and_fails(check, opensmtpd, mode):
    """The alert is told, at its stage, and nothing is sent in clear instead."""
    run = check(opensmtpd, mode)
    assert (run.exit_code, run.first_line) == (
        2,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: handshake failed: tlsv1 alert internal"
        " error",
    )
    assert "starttls" in run.perfdata
    assert "mail" not in run.perfdata
