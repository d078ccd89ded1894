"""The rules of the house that a program can check: who may import what, and what nobody may do.

Read from the source and not from what is loaded, so that imports within functions and those for the
type checker count too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "exchange_mailaccept"
SHIM = CHECKOUT / "check_exchange_mailaccept.py"

#: The rooms in the order of the import rule (``exchange_mailaccept/__init__.py``): a module imports
#: from its own room and from those above it.
ORDER = (
    {"record", "names", "vocabulary"},
    {"cli"},
    {"protocol"},
    {"exchange", "net"},
    {"run"},
    {"policies"},
    {"options"},
    {"judgement"},
    {"further_judgement"},
    {"report"},
    {"plugin"},
    {"launch"},
)
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
MAX_MODULES_OF_A_ROOM = 13
#: Which modules may import what is not for everyone.
RESERVED = {
    "nagiosplugin": {"plugin"},
    "socket": {"net.https", "net.mailbox"},
    "imaplib": {"net.mailbox"},
    "_socket": {"net.sockets", "net.connection", "net.blocking_call"},
    "select": {
        "net.operation",
        "net.connection",
        "net.tls",
        "net.name_server",
        "net.blocking_call",
    },
    "ssl": {"net.trust", "net.tls", "net.https", "net.mailbox"},
    "_ssl": {"net.trust"},
    "dns": {"protocol.dns_message"},
    "idna": {"names"},
    "cryptography": {"net.certificate"},
    # Opened by everybody, they would be a second way to the network or to the terminal.
    "smtplib": set(),
    "http": {"net.https"},
    "urllib": set(),
    "asyncio": set(),
    "selectors": set(),
    "subprocess": set(),
    "sys": {"launch", "net.sockets", "cli.words"},
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def imported(path: Path) -> tuple[set[str], set[str]]:
    """The modules of the package that ``path`` imports, and the top-level names of all others."""
    inner: set[str] = set()
    outer: set[str] = set()
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            outer.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                parts = (*base, *(node.module or alias.name).split("."))
                if alias.name != "__version__":
                    inner.add(".".join(parts))
        elif isinstance(node, ast.ImportFrom):
            outer.add((node.module or "").partition(".")[0])
    return inner, outer


def room(module: str) -> str:
    return module.partition(".")[0]


def test_a_module_imports_from_its_own_room_and_those_above_it():
    wrong = []
    for module, path in MODULES.items():
        inner, outer = imported(path)
        assert PACKAGE.name not in outer
        for other in inner:
            # The modules at the top are one room.
            at_the_top = LEVELS[room(module)] == LEVELS[room(other)] == 0
            is_above = LEVELS[room(other)] < LEVELS[room(module)]
            if not (room(other) == room(module) or is_above or at_the_top):
                wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_no_room_has_a_circle():
    """Each module of a room can be read without those that import it."""
    within = {
        module: {
            other for other in imported(path)[0] if other in MODULES and room(other) == room(module)
        }
        for module, path in MODULES.items()
        if not module.endswith("__init__")
    }
    while free := {module for module, needs in within.items() if not needs & set(within)}:
        within = {module: needs for module, needs in within.items() if module not in free}
    assert within == {}


def test_no_room_has_more_modules_than_one_can_survey():
    rooms = {path.parent for path in MODULES.values()} - {PACKAGE}
    sizes = {path.name: len(list(path.glob("[!_]*.py"))) for path in rooms}
    assert {name: size for name, size in sizes.items() if size > MAX_MODULES_OF_A_ROOM} == {}


def test_a_module_imports_nothing_that_is_reserved_for_another():
    """Nagiosplugin for ``plugin``, dnspython for ``dns_message``, ``ssl`` for four modules."""
    assert [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        for name in imported(path)[1]
        if module not in RESERVED.get(name, {module})
    ] == []


def places(wrong: Callable[[ast.AST], bool], besides: Collection[str] = ()) -> list[str]:
    """Where a syntax node is wrong, in all modules but some."""
    return [
        f"{module}:{getattr(node, 'lineno', 0)}"
        for module, path in MODULES.items()
        if module not in besides
        for node in nodes(path)
        if wrong(node)
    ]


def test_no_module_catches_what_it_does_not_name():
    """``except Exception`` swallows the watchdog's alarm; a thread only passes it on."""

    def broad(node: ast.AST) -> bool:
        return isinstance(node, ast.ExceptHandler) and (
            node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
        )

    assert places(broad, {"launch", "net.blocking_call"}) == []


def calls(node: ast.AST) -> str:
    """What a syntax node calls; empty if it is no call."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_no_module_prints_exits_or_runs_text():
    """``launch`` does; and nothing ever evaluates text."""
    forbidden = {"print", "input", "exit", "quit", "eval", "exec", "compile", "__import__"}
    assert places(lambda node: calls(node) in forbidden) == []


def test_only_four_modules_read_clocks():
    """``time`` is for everyone, the time of day and waiting are not."""
    clocks = {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "sleep"}
    reading = {f"time.{clock}" for clock in clocks}
    assert (
        places(
            lambda node: isinstance(node, ast.Attribute) and ast.unparse(node) in reading,
            {"launch", "net.loop", "net.sockets", "net.blocking_call"},
        )
        == []
    )


def test_the_plugin_prints_and_exits_in_one_place():
    """``launch``, which never fails for a full standard output or a reader that is gone."""
    exits = [
        (path.stem, ast.unparse(node))
        for path in (*MODULES.values(), SHIM)
        for node in nodes(path)
        if calls(node) in ("sys.exit", "exit", "os._exit")
    ]
    # The second is for a plugin file that stands alone, without the package.
    assert exits == [("launch", "os._exit(status)"), (SHIM.stem, "os._exit(3)")]


def test_every_module_says_what_it_is_in_its_first_sentence():
    """One line that ends as a sentence or leads to the next words."""
    paths = (*MODULES.values(), PACKAGE / "__init__.py", SHIM)
    texts = [ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in paths]
    firsts = [(text or "").split("\n")[0] for text in texts]
    assert [first for first in firsts if len(first) <= 20 or first[-1] not in ".?:"] == []


def test_no_module_imports_from_a_test_module():
    """What tests share is in ``tests/support``, and their fixtures in ``conftest.py``."""
    imports = [
        ast.unparse(node)
        for path in CHECKOUT.glob("tests/**/*.py")
        for node in nodes(path)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert [line for line in imports if re.search(r"(from|import) (\w+\.)*test_", line)] == []
