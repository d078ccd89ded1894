"""Questions to the system's resolver, in a thread: ``getaddrinfo`` can only be left behind."""

from __future__ import annotations

import os
import select
import threading

from ..protocol.requests import Answer, Resolve
from ..protocol.stages import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from .operation import Operation, within

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional, Union

    from .operation import Deadline

    #: Blocks until the system has answered.
    LookUp = Callable[[Resolve], Answer]


class Resolving(Operation):
    """One question to the system's resolver."""

    def __init__(self, deadline: Deadline, request: Resolve, look_up: LookUp) -> None:
        super().__init__(deadline, request.patience)
        self._request = request
        self._look_up = look_up
        self._found = Answer(0.0)
        self._waiting, self._telling = os.pipe()
        self._left_behind = False
        self._lock = threading.Lock()

    def begin(self) -> Optional[Answer]:
        """Start the thread."""
        self.watched = {self._waiting: select.POLLIN}
        # A daemon, because Python would wait for it at the end of the run.
        threading.Thread(target=self._work, daemon=True).start()
        return None

    def ready(self, descriptor: int) -> Optional[Answer]:  # noqa: ARG002 there is only one
        """Take what the thread has found."""
        return self._found._replace(left=self._deadline.left)

    def expire(self) -> Optional[Answer]:
        """Leave the thread behind."""
        words = f"the system's resolver gave no answer {within(self._allowed)}"
        return self._answer(self._deadline.interruption or Fault(Cause.RESOLVER, words))

    def close(self) -> None:
        """Close the pipe, of which the thread may still know."""
        with self._lock:
            self._left_behind = True
            os.close(self._waiting)
            os.close(self._telling)

    def _work(self) -> None:
        try:
            found = self._look_up(self._request)
        # Not the resolver's error but the system's (EAI_SYSTEM), like too many open files, or a
        # name in no encoding.  Python would print it to standard error, and the run wait in vain.
        except (OSError, ValueError) as error:
            why = f"the system's resolver: {_words(error)}"
            found = Answer(0.0, Fault(Cause.RESOLVER, why))
        with self._lock:
            if not self._left_behind:
                self._found = found._replace(seconds=self._answer().seconds)
                os.write(self._telling, b".")


def _words(error: Union[OSError, ValueError]) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return "it answered with a name that is no text"
    return "the name is not in ASCII"
