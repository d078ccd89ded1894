"""The rules of the house that a program can check: who may import what, and what nobody may do.

Read from the source and not from what is loaded, so that imports within functions and those for the
type checker count too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "exchange_mailaccept"


def table_of_modules() -> tuple[str, ...]:
    """The first column of the table in CONTRIBUTING.md, whose order is the rule."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## How it is built")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return tuple(name for row in rows for name in re.findall(r"`(\w+)`", row))


#: A module imports only from modules above it.  ``failures`` is a package and counts as one.
ORDER = table_of_modules()
#: Which modules of the package may import what is not for everyone.
RESERVED = {
    "nagiosplugin": (),
    "socket": (),
    "_socket": ("sockets", "connecting", "network"),
    "ssl": ("trust", "tls"),
    "_ssl": ("trust",),
    "dns": ("mx",),
    "idna": ("names",),
    "cryptography": ("tls",),
    # Opened by everybody, they would be a second way to the network or to the terminal.
    **dict.fromkeys(("smtplib", "http", "urllib", "asyncio", "selectors", "subprocess"), ()),
    "sys": ("launch", "sockets", "values"),
    # The plugin file, which is begun by one module and imported by no other.
    "check_exchange_mailaccept": ("launch",),
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
}
PLUGIN = CHECKOUT / "check_exchange_mailaccept.py"


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def place(module: str) -> str:
    """The name under which a module stands in ``ORDER``."""
    return module.partition(".")[0]


def imported(path: Path) -> tuple[set[str], set[str]]:
    """What ``path`` imports of the package, as in ``ORDER``, and top-level names of all others."""
    inner: set[str] = set()
    outer: set[str] = set()
    depth = len(path.relative_to(CHECKOUT).parts) - 1
    for node in nodes(path):
        if isinstance(node, ast.Import):
            outer.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if 0 < node.level < depth:
                inner.add(path.parent.name)
            elif node.level == 0 and module.partition(".")[0] != PACKAGE.name:
                outer.add(module.partition(".")[0])
            elif module in ("", PACKAGE.name):
                inner.update(alias.name for alias in node.names if alias.name != "__version__")
            else:
                inner.add(place(module.removeprefix(f"{PACKAGE.name}.")))
    return inner, outer


def test_every_module_has_its_place():
    """A new module is to be entered in the table of CONTRIBUTING.md; and no other is there."""
    assert sorted(ORDER) == sorted({place(module) for module in MODULES})


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_from_modules_above_it(module):
    """One direction, so that each can be read and tested without those below."""
    above = ORDER[: ORDER.index(place(module))]
    inner, outer = imported(MODULES[module])
    own = {place(module)} if "." in module else set()
    assert sorted(inner - {*above, *own}) == []
    assert PACKAGE.name not in outer


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_nothing_that_is_reserved_for_another(module):
    """Nagiosplugin for the plugin file, dnspython for ``mx``, ``ssl`` for ``trust`` and ``tls``."""
    _, outer = imported(MODULES[module])
    assert sorted(name for name in outer if module not in RESERVED.get(name, (module,))) == []


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"launch"}))
def test_no_module_catches_what_it_does_not_name(module):
    """``except Exception`` swallows the watchdog's alarm; it stands at the border only."""
    broad = [
        node.lineno
        for node in nodes(MODULES[module])
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]
    assert broad == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_prints_exits_or_runs_text(module):
    """One function of ``launch`` does; and nothing ever evaluates text."""
    forbidden = {"print", "input", "exit", "quit", "eval", "exec", "compile", "__import__"}
    calls = [
        (node.func.id, node.lineno)
        for node in nodes(MODULES[module])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert [call for call in calls if call[0] in forbidden] == []


@pytest.mark.parametrize(
    "module", sorted(set(MODULES) - {"network", "launch", "sockets", "extra_opts"})
)
def test_only_four_modules_read_clocks(module):
    """``time`` is for everyone, the time of day and waiting are not."""
    clocks = {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "sleep"}
    read = [
        (node.attr, node.lineno)
        for node in nodes(MODULES[module])
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
    ]
    assert [each for each in read if each[0] in clocks] == []


def test_the_plugin_prints_and_exits_in_one_place():
    """``finish``, which never fails for a full standard output or a reader that is gone."""
    exits = [
        (path.stem, ast.unparse(node))
        for path in (*MODULES.values(), PLUGIN)
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "os._exit")
    ]
    # The second is of a plugin file that stands alone, without the package and its ``finish``.
    assert exits == [("launch", "os._exit(status)"), (PLUGIN.stem, "os._exit(3)")]


@pytest.mark.parametrize(
    "path", [*MODULES.values(), PACKAGE / "__init__.py", PLUGIN], ids=lambda path: path.stem
)
def test_every_module_says_what_it_is_in_its_first_sentence(path):
    """One line, that ends as a sentence or leads to the next words."""
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    assert len(first) > 20
    assert first[-1] in ".?:"
