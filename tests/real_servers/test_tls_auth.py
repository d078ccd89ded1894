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
def files(server_directory: Callable[[str], Path]) -> Files:
    directory = server_directory("tls")
    authority = trustme.CA()
    # RSA, because OpenSMTPD takes nothing else.
    issued = authority.issue_cert("mx.test", "127.0.0.1", key_type=trustme.KeyType.RSA)
    found = Files(*(str(directory / name) for name in ("ca", "cert", "key", "password", "wrong")))
    authority.cert_pem.write_to_path(found.authority)
    issued.private_key_pem.write_to_path(found.key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(found.certificate, append=True)
    Path(found.password).write_text(f"{PASSWORD}\n")
    Path(found.wrong).write_text("not the password\n")
    for name in (found.password, found.wrong, found.key):
        Path(name).chmod(0o600)
    return found


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
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev/stdout
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# No look-up leaves this machine, and no mail either.
smtpd_peername_lookup = no
myhostname = mx.test
mydestination =
mynetworks =
default_transport = discard
relay_transport = discard
relay_domains = mx.test
relay_recipient_maps = inline:{{ good@mx.test=1 }}
smtpd_relay_restrictions = permit_sasl_authenticated reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = {files.certificate}
smtpd_tls_key_file = {files.key}
smtpd_tls_CAfile = {files.authority}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
# Debian's Postfix looks there whatever is said here.
cyrus_sasl_config_path = {directory}/etc/sasl
biff = no
"""
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{strict} inet n - n - - smtpd -o smtpd_tls_req_ccert=yes
 -o smtpd_tls_security_level=encrypt
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
discard unix - - n - - discard
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
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
def postfix(
    files,
    find_program,
    require_root,
    require_user,
    launch_for_session,
    server_directory,
    free_port,
) -> Ports:
    master = find_program("master", package="postfix")
    control = find_program("postfix", package="postfix")
    set_password = find_program("saslpasswd2", package="sasl2-bin libsasl2-modules")
    require_root("Postfix")
    owner = require_user("postfix", package="postfix")

    directory = server_directory("postfix-tls")
    for name in ("etc", "etc/sasl", "queue", "data"):
        (directory / name).mkdir()
    os.chown(directory / "data", owner, -1)
    ports = Ports(free_port(), free_port(), free_port())
    configuration = directory / "etc"
    (configuration / "main.cf").write_text(MAIN_CF.format(directory=directory, files=files))
    (configuration / "master.cf").write_text(
        MASTER_CF.format(port=ports.starttls, smtps=ports.smtps, strict=ports.strict)
    )
    (configuration / "sasl" / "smtpd.conf").write_text(SMTPD_CONF.format(directory=directory))
    user, _, realm = USER.partition("@")
    subprocess.run(
        [set_password, "-p", "-c", "-f", directory / "sasldb", "-u", realm, user],
        input=PASSWORD.encode(),
        check=True,
        capture_output=True,
    )
    os.chown(directory / "sasldb", owner, -1)
    subprocess.run([control, "-c", configuration, "check"], check=True, stdin=subprocess.DEVNULL)
    launch_for_session(
        [master, "-d"],
        directory,
        "127.0.0.1",
        ports.starttls,
        environment={"MAIL_CONFIG": str(configuration)},
    )
    return ports


@pytest.mark.parametrize("mechanism", ["plain", "login", "ntlm", "auto"])
@pytest.mark.parametrize("mode", ["-S", "-s", "--starttls-if-offered"])
def test_postfix_takes_mail_of_one_who_logged_on(check, postfix, files, mode, mechanism):
    """Also for a domain that is not its own; TLS verified, the certificate's days counted."""
    run = check(
        postfix.smtps if mode == "-s" else postfix.starttls,
        *(mode, *files.verify, *files.log_on(mechanism), "-D", "30", "--profile", "none"),
        *("-r", "someone@elsewhere.test"),
    )
    assert (run.exit_code, re.sub(r"[0-9.]+s\b", "#s", run.status)) == (
        0,
        "MAILACCEPT OK - 127.0.0.1 accepted mail for someone@elsewhere.test in #s",
    )
    assert set(run.perfdata) == {
        *("connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "message"),
        *("quit", "total", "certificate", "extensions"),
    }
    assert re.fullmatch(r"[0-9.]+;30:", run.perfdata["certificate"])


def test_postfix_relays_for_nobody_else(check, postfix):
    run = check(postfix.starttls, "-S", "-r", "someone@elsewhere.test")
    assert (run.exit_code, run.status) == (
        2,
        "MAILACCEPT CRITICAL - 127.0.0.1 refused RCPT someone@elsewhere.test: 554 5.7.1"
        " [someone@elsewhere.test]: Relay access denied",
    )


@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_postfix_refuses_a_wrong_password(check, postfix, files, mechanism):
    run = check(postfix.starttls, "-S", *files.log_on(mechanism, files.wrong), "-vv")
    assert run.exit_code == 2
    assert re.fullmatch(
        r"MAILACCEPT CRITICAL - 127\.0\.0\.1 refused AUTH: 535 5\.7\.8 Error: authentication"
        r" failed:.*",
        run.status,
    ), run.status


def test_postfix_offers_no_logon_outside_tls(check, postfix, files):
    run = check(postfix.starttls, *files.log_on("plain"), "--auth-without-tls")
    assert (run.exit_code, run.status) == (
        2,
        "MAILACCEPT CRITICAL - 127.0.0.1 does not offer AUTH PLAIN",
    )


def test_postfix_demands_a_client_certificate(check, postfix, files):
    own = ("--client-cert", files.certificate, "--client-key", files.key)
    assert check(postfix.strict, "-S", *own, "--profile", "none", "--until", "rcpt").exit_code == 0
    run = check(postfix.strict, "-S")
    assert (run.exit_code, run.status) == (
        2,
        "MAILACCEPT CRITICAL - 127.0.0.1 refused EHLO after STARTTLS: 421 4.7.1 mx.test Error: No"
        " client certificate presented",
    )


def test_postfix_has_no_certificate_for_another_name(check, postfix, files):
    run = check(postfix.starttls, "-S", *files.verify, "--tls-name", "mail.contoso.com")
    assert (run.exit_code, run.status) == (
        2,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: the certificate is for another name"
        " (OpenSSL: Hostname mismatch, certificate is not valid for 'mail.contoso.com'.)",
    )


# Exim, with GnuTLS.

EXIM = r"""
exim_user = root
exim_group = root
primary_hostname = mx.test
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
pid_file_path = {directory}/exim.pid
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = {files.certificate}
tls_privatekey = {files.key}
acl_smtp_rcpt = recipient

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
def exim(
    files,
    find_program,
    require_root,
    require_user,
    launch_for_session,
    server_directory,
    free_port,
) -> int:
    """The port of an Exim that takes mail of those who log on, and throws it away."""
    program = find_program("exim4", package="exim4-daemon-light")
    require_root("Exim")
    # Compiled in: Exim does not start without it.
    require_user("Debian-exim", package="exim4-daemon-light")
    directory = server_directory("exim-tls")
    port = free_port()
    configuration = directory / "exim.conf"
    configuration.write_text(
        EXIM.format(directory=directory, port=port, files=files, user=USER, password=PASSWORD)
    )
    # Exim refuses a configuration that others could have written.
    configuration.chmod(0o644)
    launch_for_session([program, "-C", str(configuration), "-bdf"], directory, "127.0.0.1", port)
    return port


@pytest.mark.parametrize("mechanism", ["plain", "login", "auto"])
def test_exim_takes_mail_of_one_who_logged_on(check, exim, files, mechanism):
    argv = ("-S", *files.verify, *files.log_on(mechanism), "--profile", "none", "-v")
    run = check(exim, *argv)
    assert (run.exit_code, re.sub(r"[0-9.]+s\b", "#s", run.status)) == (
        0,
        "MAILACCEPT OK - 127.0.0.1 accepted mail for good@mx.test in #s",
    )
    assert re.search(r"(?m)^TLS: TLSv1\.3 \S+, certificate verified$", run.stdout)


# smtp-sink, which has no TLS.


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
def opensmtpd(
    files, find_program, require_root, launch_for_session, server_directory, free_port
) -> int:
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
    launch_for_session([unshare, "--mount", "sh", "-c", script], directory, "127.0.0.1", port)
    return port


@pytest.mark.parametrize("mode", ["-S", "--starttls-if-offered"])
def test_starttls_that_is_announced_and_fails(check, opensmtpd, mode):
    """The alert is told, at its stage, and nothing is sent in clear instead."""
    run = check(opensmtpd, mode)
    assert (run.exit_code, run.status) == (
        2,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: handshake failed: tlsv1 alert internal"
        " error",
    )
    assert "starttls" in run.perfdata
    assert "mail" not in run.perfdata
