"""A name server for the plugin, with a table of what it knows."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """Answers UDP queries from a table: name and type to records, or a response code."""

    #: A record type that is never answered, of whatever name.
    silent_type = ""

    def __init__(self, table: Mapping[tuple[str, str], object], silent_about: str = "") -> None:
        self._table = table
        self._silent_about = silent_about
        #: How many queries were left without a response.
        self.ignored = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", self.port))

    def _serve(self) -> None:
        with self._socket:
            while True:
                query, client = self._socket.recvfrom(4096)
                if not query:
                    return
                message = dns.message.from_wire(query)
                question = message.question[0]
                about = (question.name.to_text(), dns.rdatatype.to_text(question.rdtype))
                if self._silent_about == about[0] or self.silent_type == about[1]:
                    self.ignored += 1
                else:
                    self._socket.sendto(self._response(message), client)

    def _response(self, query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        found = self._table.get((question.name.to_text(), kind), [])
        if isinstance(found, int):
            response.set_rcode(dns.rcode.Rcode(found))
        elif found:
            response.answer.append(
                dns.rrset.from_text(question.name, 60, "IN", kind, *found)  # type: ignore[misc]
            )
        # More than was asked for, rather than by TCP: who listens takes it.
        return response.to_wire(max_size=65_535)
