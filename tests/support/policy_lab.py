"""A network of its own, with a signed DNS, mail servers and web servers, to judge policies in.

All of it is real: Knot signs the root and the zones, Unbound validates them, Postfix and nginx have
the certificates.  It lives in a network namespace, because resolvers and mail servers are at ports
53 and 25 there, and because ``posttls-finger`` (the judge that the plugin is compared with) reads
``/etc/resolv.conf``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from support.plugin import PLUGIN
from support.postfix import configure
from support.programs import PATIENCE, Child, find_program, require_root, unavailable

VALIDATING, CARELESS = "127.0.0.1", "127.0.0.2"
KNOT, MAIL, MAIL_WITHOUT_TLS = (f"192.0.2.{last}" for last in (53, 25, 26))
WEB, SILENT_WEB, DRIPPING_WEB, CLOSED = (f"192.0.2.{last}" for last in (80, 81, 82, 83))
#: No way leads there from the lab.
UNREACHABLE = "203.0.113.1"
#: The validating resolver by an address that is not a loopback one.
ELSEWHERE = "192.0.2.54"
ADDRESSES = (
    *(CARELESS, KNOT, MAIL, MAIL_WITHOUT_TLS, WEB, SILENT_WEB, DRIPPING_WEB, CLOSED, ELSEWHERE),
)


NETWORK = """\
set -e
ip link set lo up
for address in {addresses}; do ip address add "$address/32" dev lo; done
mount --bind {directory}/resolv.conf /etc/resolv.conf
touch {directory}/ready
exec sleep 86400
"""

KNOT_CONF = """\
server:
    rundir: "{directory}"
    user: root:root
    listen: {address}@53
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{directory}/db"
policy:
  - id: signed
    manual: on
template:
  - id: default
    storage: "{directory}/zones"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
"""
KNOT_ZONE = "  - domain: {name}\n    file: {file}\n"
KNOT_SIGNED = "    dnssec-signing: on\n    dnssec-policy: signed\n"

UNBOUND_CONF = """\
server:
  interface: {address}
  {also}
  port: 53
  directory: "{directory}"
  username: ""
  chroot: ""
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  num-threads: 1
  root-hints: "{directory}/hints"
  module-config: "{modules}"
  trust-anchor-file: "{directory}/anchor"
  access-control: 0.0.0.0/0 allow
  target-fetch-policy: "0 0 0 0 0"
remote-control:
  control-enable: no
"""

MAIN_CF = """\
myhostname = mail.example
smtpd_tls_security_level = may
smtpd_tls_chain_files = {directory}/tls/default.pem
tls_server_sni_maps = hash:{directory}/sni
"""
SERVICES = f"""\
{MAIL}:25 inet n - n - - smtpd
{MAIL_WITHOUT_TLS}:25 inet n - n - - smtpd
  -o smtpd_tls_security_level=none
"""

NGINX_CONF = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
user root;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
    server {{
        listen {address}:443 ssl;
        ssl_certificate {directory}/tls/$ssl_server_name.pem;
        ssl_certificate_key {directory}/tls/$ssl_server_name.pem;
        root {directory}/web/$host;
    }}
    {more}
}}
"""
NGINX_SERVER = """\
server {{
        listen {address}:443 ssl;
        server_name {name};
        ssl_certificate {directory}/tls/{name}.pem;
        ssl_certificate_key {directory}/tls/{name}.pem;
        root {directory}/web/$host;
        {directive}
    }}
"""
#: A server that answers the handshake and then sends a byte at a time.
DRIPPING = """\
import socket, ssl, sys, threading, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
def drip(connection):
    with context.wrap_socket(connection, server_side=True) as secured:
        secured.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\n\\r\\n")
        while True:
            secured.sendall(b"x")
            time.sleep(0.1)
listener = socket.create_server((sys.argv[1], 443))
while True:
    threading.Thread(target=drip, args=listener.accept()[:1], daemon=True).start()
"""
#: A server that accepts connections and says nothing, not even in the handshake.
SILENT = """\
import socket, sys, time
listener = socket.create_server((sys.argv[1], 443))
time.sleep(86400)
"""


class Zone(NamedTuple):
    """A zone of the lab."""

    name: str
    records: str
    signed: bool = True
    #: Whether the DS record at the parent is that of another key.
    bogus: bool = False


class Lab:
    """The network; :meth:`run` runs a program in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._children: list[Child] = []
        for name in ("db", "zones", "tls", "web"):
            (directory / name).mkdir()
        self.use_resolver(VALIDATING)
        script = NETWORK.format(directory=directory, addresses=" ".join(ADDRESSES))
        unshare = find_program("unshare", package="util-linux")
        if subprocess.run([unshare, "--net", "--mount", "true"], check=False).returncode != 0:
            unavailable("no network namespace can be made here")
        find_program("ip", package="iproute2")
        # The shell becomes the process that keeps the namespaces.
        self._holder = self._start([unshare, "--net", "--mount", "sh", "-c", script])
        self._holder.wait_until((directory / "ready").exists, "the network is there")

    def use_resolver(self, address: str) -> None:
        """Let programs that ask the system's resolver ask ``address``."""
        (self.directory / "resolv.conf").write_text(f"nameserver {address}\noptions trust-ad\n")

    def run(self, *command: str, environment: Optional[Mapping[str, str]] = None) -> str:
        """Run ``command``; what it printed, and its exit code in a last line."""
        finished = subprocess.run(
            self._inside(command),
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            text=True,
            check=False,
        )
        return f"{finished.stdout}{finished.returncode}"

    def check(self, domain: str, *arguments: str, **environment: str) -> tuple[int, str]:
        """Test a domain up to STARTTLS; exit code and output of the plugin."""
        output = self.run(
            sys.executable, str(PLUGIN), "-d", domain, "--until", "starttls", "--profile", "none",
            *arguments, environment=environment,
        )  # fmt: skip
        *lines, code = output.splitlines(keepends=True)
        return int(code), "".join(lines)

    def finger(self, domain: str, *options: str) -> str:
        """What posttls-finger says of ``domain`` at the level dane."""
        program = find_program("posttls-finger", package="postfix")
        return self.run(
            program, "-c", "-l", "dane", "-L", "routine,untrusted", "-m", "1", *options, domain,
            environment={"MAIL_CONFIG": str(self.directory / "etc")},
        )  # fmt: skip

    # The servers.

    def serve_dns(self, *zones: Zone) -> None:
        """Let Knot serve ``zones`` below a signed root, and Unbound resolve them."""
        knotd = find_program("knotd", package="knot")
        unbound = find_program("unbound", package="unbound")
        directory = self.directory
        configuration = directory / "knot.conf"
        root = Zone(".", "")
        lines = [KNOT_CONF.format(directory=directory, address=KNOT)]
        for zone in (root, *zones):
            name = zone.name.rstrip(".") or "root"
            lines.append(KNOT_ZONE.format(name=zone.name, file=f"{name}.zone"))
            lines.append(KNOT_SIGNED if zone.signed else "")
        configuration.write_text("".join(lines))
        delegations = {zone.name: self._delegation(zone) for zone in zones}
        anchor = self._ds(root)
        for zone in (root, *zones):
            inside = "".join(
                text
                for name, text in delegations.items()
                if _parent(name, [*delegations, "."]) == zone.name
            )
            text = (
                f"$ORIGIN {zone.name}\n$TTL 60\n@ SOA ns.lab. hostmaster.lab. 1 60 60 3600 60\n"
                f"@ NS ns.lab.\n{zone.records}\n{inside}"
            )
            if zone is root:
                text += f"ns.lab. A {KNOT}\n"
            name = zone.name.rstrip(".") or "root"
            (directory / "zones" / f"{name}.zone").write_text(text)
        (directory / "hints").write_text(f". 3600 NS ns.lab.\nns.lab. 3600 A {KNOT}\n")
        (directory / "anchor").write_text(anchor)
        self._serve([knotd, "-c", str(configuration)], KNOT, 53)
        for address, also, modules in (
            (VALIDATING, f"interface: {ELSEWHERE}", "validator iterator"),
            (CARELESS, "", "iterator"),
        ):
            file = directory / f"unbound-{address}.conf"
            file.write_text(
                UNBOUND_CONF.format(
                    directory=directory, address=address, also=also, modules=modules
                )
            )
            self._serve([unbound, "-d", "-p", "-c", str(file)], address, 53)

    def serve_mail(self, certificates: Mapping[str, bytes], default: bytes) -> None:
        """Let Postfix take mail, with a certificate by the name that a client asks for.

        :param certificates: key and chain in PEM by host name
        """
        postmap = find_program("postmap", package="postfix")
        directory = self.directory
        (directory / "tls" / "default.pem").write_bytes(default)
        for name, pem in certificates.items():
            (directory / "tls" / f"{name}.pem").write_bytes(pem)
        (directory / "sni").write_text(
            "".join(f"{name} {directory}/tls/{name}.pem\n" for name in certificates)
        )
        command, environment = configure(directory, MAIN_CF, SERVICES)
        subprocess.run(
            [postmap, "-c", directory / "etc", "-F", f"hash:{directory}/sni"],
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._serve(command, MAIL, 25, environment)

    def serve_web(
        self,
        certificates: Mapping[str, bytes],
        files: Mapping[str, bytes],
        directives: Mapping[str, str],
    ) -> None:
        """Let nginx serve ``files``, by host name and path, with a certificate for each host.

        :param directives: of hosts with a configuration of their own
        """
        nginx = find_program("nginx", package="nginx-light")
        directory = self.directory
        for name, pem in certificates.items():
            (directory / "tls" / f"{name}.pem").write_bytes(pem)
        for path, content in files.items():
            file = directory / "web" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        more = "".join(
            NGINX_SERVER.format(directory=directory, address=WEB, name=name, directive=directive)
            for name, directive in directives.items()
        )
        configuration = directory / "nginx.conf"
        configuration.write_text(NGINX_CONF.format(directory=directory, address=WEB, more=more))
        self._serve([nginx, "-c", str(configuration)], WEB, 443)

    def serve(self, script: str, address: str, *arguments: str) -> None:
        """Run a script of Python that is an HTTPS server."""
        self._serve([sys.executable, "-c", script, address, *arguments], address, 443)

    def close(self) -> None:
        """End everything that was started."""
        while self._children:
            self._children.pop().stop()

    def _delegation(self, zone: Zone) -> str:
        ds = self._ds(zone) if zone.signed else ""
        if zone.bogus:
            # Of a key that the zone does not have.
            digest = ds.split()[-1]
            ds = ds.replace(digest, digest[::-1])
        return f"{zone.name} NS ns.lab.\n{ds}"

    def _ds(self, zone: Zone) -> str:
        """Make a key for ``zone``; its DS record."""
        keymgr = [find_program("keymgr", package="knot"), "-c", str(self.directory / "knot.conf")]
        make = ("generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes")
        subprocess.run([*keymgr, zone.name, *make], check=True, stdout=subprocess.DEVNULL)
        listed = subprocess.run(
            [*keymgr, zone.name, "ds"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        # With SHA-256, which is digest type 2.
        return "".join(f"{line}\n" for line in listed.splitlines() if line.split()[4] == "2")

    def _inside(self, command: Sequence[str]) -> list[str]:
        nsenter = find_program("nsenter", package="util-linux")
        return [nsenter, "--target", str(self._holder.pid), "--net", "--mount", "--", *command]

    def _start(
        self, command: Sequence[str], environment: Optional[Mapping[str, str]] = None
    ) -> Child:
        self._children.append(Child(command, self.directory / "log", environment))
        return self._children[-1]

    def _serve(
        self,
        command: Sequence[str],
        address: str,
        port: int,
        environment: Optional[Mapping[str, str]] = None,
    ) -> None:
        child = self._start(self._inside(command), environment)
        child.wait_until_listening(port, address, str(self._holder.pid))


@contextlib.contextmanager
def running_lab(directory: Path, serve: Callable[[Lab], None]) -> Iterator[Lab]:
    """A lab with the servers that ``serve`` starts in it."""
    require_root("a network namespace")
    lab = Lab(directory)
    try:
        serve(lab)
        yield lab
    finally:
        lab.close()


def _parent(name: str, names: Sequence[str]) -> str:
    """The longest of ``names`` that ``name`` is below."""
    above = [zone for zone in names if zone != name and (zone == "." or name.endswith(f".{zone}"))]
    return max(above, key=len)
