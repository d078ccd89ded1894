#!/usr/bin/env python3
"""Makes the plugin one file: a zipapp with nagiosplugin and dnspython in it.

    sh packaging/zipapp.sh [-o FILE] [--python PYTHON]...

The same sources make the same file, byte by byte.  The standard library's ``zipapp`` does not:
dates, modes and order are those of the directory.

Byte code belongs to one version of Python, and compiling what is in here takes longer than a whole
run.  So each version has its own directory (``cpython-311/``), where ``__main__`` looks first.  A
Python without such a directory takes the sources.  Each further version costs every run 1 to 2 %
for its entries in the archive; compression would cost about 3 %.

``cryptography`` is not Python alone, and cannot be imported from an archive.  The file uses the one
that is installed beside the Python that runs it.
"""

from __future__ import annotations

import argparse
import configparser
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PLUGIN = "check_exchange_mailaccept"
PACKAGE = "exchange_mailaccept"
#: Whatever runs on this one runs on the newer ones.
OLDEST = "3.9"
OLDEST_VERSION = tuple(map(int, OLDEST.split(".")))
#: Pythons that are looked for, besides the one that runs this.
CANDIDATES = tuple(f"python3.{minor}" for minor in range(9, 15))

#: It must be understood by every Python 3, to be able to refuse.
MAIN = f"""\
import sys

if sys.version_info < {OLDEST_VERSION}:
    found = "%d.%d" % sys.version_info[:2]
    print("MAILACCEPT UNKNOWN - Python {OLDEST} or newer is needed, this is " + found)
    sys.exit(3)
sys.path.insert(0, sys.path[0] + "/" + sys.implementation.cache_tag)
from {PACKAGE}.launch import main

main()
"""


def collect(sources: Path, wheels: Path) -> None:
    """Put the plugin and its libraries below ``sources``."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(CHECKOUT / "setup.cfg")
    libraries = setup["options"]["install_requires"].split()
    # Held at the versions that the environment names, as with test.sh.
    libraries += os.environ.get("LIBRARIES", "").split()
    # Not pip install, which takes for the oldest Python what only newer ones can run.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:"]
    command += ["--python-version", OLDEST, "--dest", str(wheels)]
    subprocess.run([*command, *libraries], check=True)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(sources)
    for name in (f"{PLUGIN}.py", "LICENSE"):
        shutil.copy(CHECKOUT / name, sources)
    byte_code = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / PACKAGE, sources / PACKAGE, ignore=byte_code)
    (sources / "__main__.py").write_text(MAIN, encoding="utf-8")


def cache_tag(python: str) -> str:
    """What ``python`` calls its byte code, like ``cpython-311``; empty if it does not run."""
    program = (
        f"import sys; sys.version_info >= {OLDEST_VERSION} and print(sys.implementation.cache_tag)"
    )
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    # A wrapper of a Python may print something too when it can't find it.
    return done.stdout.strip() if done.returncode == 0 else ""


def compile_for(python: str, sources: Path, target: Path) -> None:
    """Put the byte code of ``python`` for ``sources`` below ``target``, without the sources."""
    shutil.copytree(sources, target, ignore=shutil.ignore_patterns("*.dist-info", "__main__.py"))
    # Beside the source, for that is where zipimport looks; and not checked against a source.
    command = [python, "-m", "compileall", "-q", "-b", "-s", str(target)]
    command += ["--invalidation-mode", "unchecked-hash", str(target)]
    # Else the order of sets would be one of chance.
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, check=True)
    for path in list(target.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            path.unlink()


def pack(directory: Path, interpreter: str, output: Path) -> None:
    """Write the files below ``directory`` into the zipapp ``output``."""
    with output.open("wb") as file:
        file.write(f"#!{interpreter}\n".encode())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(path for path in directory.rglob("*") if path.is_file()):
                # Its date is the first that a zip file can have.
                entry = zipfile.ZipInfo(path.relative_to(directory).as_posix())
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    output.chmod(0o755)


def main(argv: Sequence[str]) -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(prog="zipapp.sh", description="Makes the plugin one file.")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(f"{PLUGIN}.pyz"), help="the file (%(default)s)"
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        help="a Python whose byte code is to be inside (repeatable; without it all that are on"
        " PATH, and always the one that runs this)",
    )
    parser.add_argument(
        "--interpreter", default="/usr/bin/env python3", help="its first line (%(default)s)"
    )
    options = parser.parse_args(argv)
    if not options.output.parent.is_dir():
        parser.error(f"there is no directory {options.output.parent}")
    pythons = {cache_tag(sys.executable): sys.executable}
    for python in options.python or CANDIDATES:
        tag = cache_tag(python)
        if tag:
            pythons.setdefault(tag, python)
        elif options.python:
            parser.error(f"{python} is not Python {OLDEST} or newer")
    with tempfile.TemporaryDirectory() as scratch:
        wheels, sources, contents = (Path(scratch) / name for name in ("whl", "src", "app"))
        collect(sources, wheels)
        shutil.copytree(sources, contents)
        for tag, python in pythons.items():
            compile_for(python, sources, contents / tag)
        pack(contents, options.interpreter, options.output)
    print(f"{options.output}: for Python {OLDEST} and later, compiled for {', '.join(pythons)}.")
    print("Not in it: cryptography (for -D without --verify) and pyspnego (for --auth ntlm).")
    print("It uses those of the machine (Debian: apt install python3-cryptography).")


if __name__ == "__main__":
    main(sys.argv[1:])
