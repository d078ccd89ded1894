"""The command line of the simulator: ``python3 -m simulator``."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import subprocess
import sys
from typing import Any, NoReturn, Optional

from exchange_mailaccept.cli.table import MAILBOX_PASSWORD_VARIABLE, PASSWORD_VARIABLE
from exchange_mailaccept.cli.words import how_to_install

try:
    from .server import Simulator
except ModuleNotFoundError as missing:
    if str(missing.name).partition(".")[0] != "aiosmtpd":
        raise
    sys.exit(f"simulator: error: the package aiosmtpd is missing ({how_to_install('aiosmtpd')})")

from .certificates import Certificate
from .mailbox import FATES, PASSWORD
from .poses import MECHANISMS, POSES, STAGES, TLS_MODES, Credentials
from .scenarios import FOR_EVER, table


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage."""
        if message.startswith("unrecognized arguments"):
            message += " (options of the plugin come after --run COMMAND, in demo.sh after --)"
        self.exit(2, f"{self.prog}: error: {message}\n")


def _by_stage(arguments: list[str]) -> dict[str, str]:
    for argument in arguments:
        if "=" not in argument:
            raise ValueError(f"{argument!r} has not the form NAME=VALUE")
    return dict(argument.split("=", 1) for argument in arguments)


def _parser() -> _Parser:
    parser = _Parser(
        prog="simulator",
        description="Pose as the SMTP service of Microsoft Exchange, on the loopback interface.",
        epilog=f"STAGE is one of {' '.join(STAGES)}.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--scenario", default="", metavar="NAME", help="play this fault by its name")
    add("--list-scenarios", action="store_true", help="list the names, and end")
    add("--hurry", type=float, default=1, metavar="FACTOR",
        help="divide the delays of the scenario by this (default 1)")  # fmt: skip
    add("--pose", default="2019", metavar="NAME", help=f"{' '.join(POSES)} (default 2019)")
    add("--host", default="127.0.0.1", help="loopback address to listen on (default 127.0.0.1)")
    add("--port", type=int, default=0, help="TCP port (default 0: any free one)")
    add("--name", default="", help="the server's own name (default mail1.contoso.com)")
    for flag, value, text in (
        ("--reply", "STAGE=TEXT", "answer TEXT at STAGE; \\n separates reply lines"),
        ("--address", "ADDRESS=TEXT", "answer TEXT to MAIL or RCPT with ADDRESS, <> or @DOMAIN"),
        ("--node", "NAME[=BANNER]", "a server behind a balancer; they take turns"),
        ("--delay", "STAGE=SECONDS", "wait before the answer at STAGE"),
        ("--drop", "STAGE", "close the connection instead of answering at STAGE"),
        ("--without", "KEYWORD", "do not offer this EHLO keyword"),
    ):
        add(flag, action="append", default=[], metavar=value, help=f"{text}; repeatable")
    add("--tls", default="", metavar="MODE",
        help=f"{' '.join(TLS_MODES)} (default: STARTTLS if the pose offers it)")  # fmt: skip
    add("--certificate", default="", metavar="FILE",
        help="certificate in PEM (default: one is made, signed by itself)")  # fmt: skip
    add("--key", default="", metavar="FILE", help="its key, if not in the same file")
    add("--certificate-days", type=float, default=90, metavar="N",
        help="days that a certificate that is made is valid (default 90); negative: it has "
        "expired")  # fmt: skip
    add("--require-client-certificate", default="", metavar="CAFILE",
        help="demand a client certificate of these authorities")  # fmt: skip
    add("--auth", metavar="MECHS", help=f"offer AUTH inside TLS: {' '.join(MECHANISMS)}")
    add("--auth-before-tls", metavar="MECHS", help="offer AUTH without TLS")
    add("--user", default="", metavar="NAME", help="user whose logon is accepted")
    add("--password", default="", metavar="TEXT", help="password for LOGIN and PLAIN")
    add("--token", default="", metavar="TEXT", help="token for XOAUTH2")
    add("--mailbox", default="", metavar="FATE",
        help=f"deliver to a mailbox that --delivered can look into: {' '.join(FATES)}")  # fmt: skip
    add("--verbose", action="store_true", help="print the dialogue with --run too")
    add("--run", nargs=argparse.REMAINDER, metavar="COMMAND",
        help="run COMMAND, {host} and {port} replaced in its words, {target} by -H HOST or what "
        "finds the domain of the scenario, {options} by what else the plugin needs for it, and "
        "exit with its status; must be the last option")  # fmt: skip
    return parser


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Turn the command line's options into what :class:`Simulator` takes."""
    take = options.pop
    return {
        "reply": _by_stage(take("reply")),
        "address": _by_stage(take("address")),
        "delay": {stage: float(text) for stage, text in _by_stage(take("delay")).items()},
        "certificate": Certificate(
            take("certificate"),
            take("key"),
            take("require_client_certificate"),
            take("certificate_days"),
        ),
        "auth": _mechanisms(take("auth")),
        "auth_before_tls": _mechanisms(take("auth_before_tls")),
        "credentials": Credentials(take("user"), take("password"), take("token")),
        **options,
    }


def _mechanisms(text: Optional[str]) -> Optional[list[str]]:
    return None if text is None else text.upper().split()


def _print(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # The reader is gone.  Serving continues, and the flush at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(command: list[str], simulator: Simulator) -> int:
    """Run ``command`` against the simulator and return its exit status as a shell would."""
    host, port = simulator.host, str(simulator.port)
    words: list[str] = []
    for word in command:
        if word == "{target}":
            words += simulator.target
        elif word == "{options}":
            words += simulator.options
        else:
            words.append(word.replace("{host}", host).replace("{port}", port))
    environment = dict(os.environ)
    if "-A" in simulator.options:
        environment.setdefault(PASSWORD_VARIABLE, simulator.behaviour.credentials.password)
    delays = [delay for delay in simulator.behaviour.delay.values() if delay < FOR_EVER]
    if sum(delays) > 2:
        print(f"simulator: the replies take {sum(delays):g} s", file=sys.stderr, flush=True)
    if simulator.mailbox is not None:
        environment.setdefault(MAILBOX_PASSWORD_VARIABLE, PASSWORD)
    child = subprocess.Popen(words, env=environment)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: child.send_signal(received))
    status = child.wait()
    return status if status >= 0 else 128 - status


def _list_scenarios() -> int:
    for line in table():
        _print(line)
    return 0


def main() -> int:
    """Run as a command and return the exit status."""
    # A locale that lacks a letter must not end the program.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = vars(parser.parse_args())
    command, verbose = options.pop("run"), options.pop("verbose")
    if command == []:
        parser.error("--run needs a command")
    if options.pop("list_scenarios"):
        return _list_scenarios()
    # aiosmtpd warns of every unknown command, but the transcript shows them already.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    ends = {signal.SIGTERM, signal.SIGINT}
    if command is None:
        # Before the thread starts, because it inherits the mask.
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        echo = _print if verbose or command is None else None
        simulator = Simulator(**_arguments(options), echo=echo)
        with simulator:
            if command is not None:
                return _run(command, simulator)
            signal.sigwait(ends)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
