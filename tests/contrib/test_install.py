"""Every way in which the plugin is installed: copied, linked, as a wheel and as one file."""

from __future__ import annotations

import email
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import threading
import venv
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from support.programs import PATIENCE, unavailable

from exchange_mailaccept import __version__

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = "check_exchange_mailaccept.py"
PACKAGE = "exchange_mailaccept"
sys.path.append(str(CHECKOUT / "packaging"))

import make_zipapp  # noqa: E402 it is no package

FIRST_LINE = re.compile(
    r"MAILACCEPT OK - 127\.0\.0\.1 passed every stage up to rcpt for good@mx\.test in \d+\.\d+s"
    r" \| banner=.*"
)


def run(command: Sequence[object], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command far from the checkout, as one that knows nothing of it."""
    # An installed plugin is not the checkout's: its coverage would be that of other files.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE", "COV_", "PYTHON"))
    }
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )


def serve(listener: socket.socket) -> None:
    """Say 250 to everything, in one session after the other, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(PATIENCE)
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 mx.test ESMTP\r\n")
            for line in stream:
                stream.write(b"221 Bye\r\n" if line.upper().startswith(b"QUIT") else b"250 OK\r\n")


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a tiny mail server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        # Closing alone does not wake accept().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


@pytest.fixture
def works(port: int, tmp_path: Path) -> Callable[..., None]:
    """Check that a plugin works, ``works(word, ...)``, from a directory with nothing in it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def check(*command: object) -> None:
        ran = run(
            (
                *(*command, "-H", "127.0.0.1", "-p", port, "-r", "good@mx.test"),
                *("--until", "rcpt", "--profile", "none", "-F", "probe.test"),
            ),
            elsewhere,
        )
        assert ran.stderr == ""
        assert FIRST_LINE.fullmatch(ran.stdout.splitlines()[0]), ran.stdout
        assert ran.returncode == 0

    return check


def copy_to(directory: Path) -> Path:
    """Copy what is needed, and nothing else; returns the plugin."""
    shutil.copy2(CHECKOUT / SCRIPT, directory)
    shutil.copytree(
        CHECKOUT / PACKAGE, directory / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    return directory / SCRIPT


def test_copied_file_and_directory(tmp_path, works):
    directory = tmp_path / "plugins"
    directory.mkdir()

    works(sys.executable, copy_to(directory))


def test_copy_is_executable(tmp_path, works, monkeypatch):
    directory = tmp_path / "plugins"
    directory.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"])))

    works(copy_to(directory))


def test_copy_in_a_directory_that_cannot_be_written(tmp_path, works):
    """Python must not need to keep its byte code there."""
    directory = tmp_path / "plugins"
    directory.mkdir()
    plugin = copy_to(directory)
    # Another user could not reach a Python below /root, where those of pyenv are; so root goes
    # without what lets it write where the mode forbids it.
    without = ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override"]
    who = [] if os.getuid() else without
    directories = [path for path in (directory, *directory.rglob("*")) if path.is_dir()]
    for each in directories:
        each.chmod(0o555)
    try:
        works(*who, sys.executable, plugin)
    finally:
        for each in directories:
            each.chmod(0o755)
    assert [*directory.rglob("__pycache__")] == []


def test_symbolic_link_from_another_directory(tmp_path, works):
    target = tmp_path / "opt"
    plugins = tmp_path / "plugins"
    target.mkdir()
    plugins.mkdir()
    link = plugins / "check_exchange_mailaccept"
    link.symlink_to(copy_to(target))

    works(sys.executable, link)


def sources() -> list[str]:
    """The files of the project, as git knows them."""
    if not (CHECKOUT / ".git").exists():
        unavailable("this is no git checkout")
    command = "git ls-files -z --cached --others --exclude-standard"
    done = subprocess.run(command.split(), cwd=CHECKOUT, capture_output=True, check=True)
    names = (name.decode() for name in done.stdout.split(b"\0") if name)
    return [name for name in names if (CHECKOUT / name).exists()]


class Built(NamedTuple):
    """What ``python -m build`` made."""

    sdist: Path
    wheel: Path
    said: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """From a copy, because setuptools leaves build/ behind."""
    source = tmp_path_factory.mktemp("source")
    for name in sources():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, source / name)
    target = tmp_path_factory.mktemp("built")
    # With the setuptools that is here: one from the network would be a download for each run.
    command = (sys.executable, "-W", "always", "-m", "build", "--no-isolation", "-o", target)
    done = run((*command, source), target)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return Built(sdist, wheel, done.stdout + done.stderr)


@pytest.mark.slow
def test_nothing_is_to_be_warned_of(built):
    """Neither of files that are not there nor of what setuptools will not do much longer."""
    lines = [line for line in built.said.splitlines() if re.search("(?i)warn|deprecat", line)]
    assert lines == []


@pytest.mark.slow
def test_the_sdist_is_complete(built):
    with tarfile.open(built.sdist) as archive:
        names = {each.name.partition("/")[2] for each in archive if each.isfile()}
    made = {"PKG-INFO"} | {name for name in names if ".egg-info/" in name}
    assert names - made == set(sources()) - {".gitattributes", ".gitignore"}


@pytest.mark.slow
def test_contents_of_the_wheel(built):
    with zipfile.ZipFile(built.wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (each for each in names if each.endswith("/entry_points.txt"))
        scripts = archive.read(entry_points).decode()
        (licence,) = (each for each in names if each.endswith("LICENSE"))
        assert archive.read(licence) == (CHECKOUT / "LICENSE").read_bytes()

    modules = sorted(each for each in names if re.match(r"[^.]+\.py$|[^.]+/", each))
    package = (CHECKOUT / PACKAGE).rglob("*.py")
    assert modules == sorted([SCRIPT, *(str(each.relative_to(CHECKOUT)) for each in package)])
    assert "check_exchange_mailaccept = exchange_mailaccept.launch:main" in scripts.splitlines()


@pytest.mark.slow
def test_metadata_of_the_wheel(built):
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Name"] == "check_exchange_mailaccept"
    assert metadata["Summary"] == "Nagios/Icinga plugin: does an Exchange server accept mail?"
    assert metadata["License"] == "GPL-3.0-or-later"
    assert metadata["Requires-Python"] == ">=3.9"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# check_exchange_mailaccept\n")
    assert {"tls", "ntlm", "idn"} <= set(metadata.get_all("Provides-Extra"))
    needed = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert sorted(needed) == ["dnspython>=2.3", "nagiosplugin>=1.3.2"]


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("packaging/debian/changelog", r"check-exchange-mailaccept \((.+)-\d+\) "),
        ("packaging/rpm/check_exchange_mailaccept.spec", r"(?m)^Version: +(.+)$"),
    ],
)
def test_every_package_is_of_this_version(path, pattern):
    assert re.search(pattern, (CHECKOUT / path).read_text())[1] == __version__


@pytest.mark.slow
def test_wheel_in_an_environment_of_its_own(built, tmp_path, works):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    installed = run(
        (
            *(sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install"),
            *("--no-input", "--disable-pip-version-check", "--retries", "2", built.wheel),
        ),
        tmp_path,
    )
    if installed.returncode:
        unavailable(f"the libraries cannot be downloaded: {installed.stderr.strip()[-300:]}")

    works(environment / "bin" / "check_exchange_mailaccept")
    works(environment / "bin" / "python", "-m", "check_exchange_mailaccept")
    for page in (
        "share/man/man1/check_exchange_mailaccept.1",
        "share/bash-completion/completions/check_exchange_mailaccept",
        "share/zsh/site-functions/_check_exchange_mailaccept",
    ):
        assert (environment / page).is_file()


@pytest.fixture(scope="module")
def zipapp() -> Iterator[Path]:
    """The plugin as one file, where everybody can read it."""
    # Not one of pytest's directories: they are for their owner alone.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        file = Path(directory) / "check_exchange_mailaccept"
        try:
            make_zipapp.main(["-o", str(file), "--python", sys.executable])
        except subprocess.CalledProcessError as error:
            unavailable(f"the libraries cannot be downloaded: {error}")
        yield file


def without(zipapp: Path, directory: Path, unwanted: str) -> Path:
    """A copy of the zipapp that lacks the files that match the expression ``unwanted``."""
    left = directory / "left"
    with zipfile.ZipFile(zipapp) as archive, zipfile.ZipFile(left, "w") as copy:
        for entry in archive.infolist():
            if not re.search(unwanted, entry.filename):
                copy.writestr(entry, archive.read(entry))
        assert len(copy.namelist()) < len(archive.namelist())
    return left


#: Far from site-packages, so that all libraries come out of the file.
BARE = (sys.executable, "-I", "-S", "-W", "error")


@pytest.mark.slow
def test_one_file(zipapp, works):
    works(*BARE, zipapp)


@pytest.mark.slow
def test_one_file_has_every_module(zipapp):
    modules = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / PACKAGE).rglob("*.py")}
    names = zipfile.ZipFile(zipapp).namelist()
    assert {name for name in names if name.startswith(f"{PACKAGE}/")} == modules
    # Byte code of the same, and of nothing else of the plugin's.
    compiled = {name.partition("/")[2] for name in names if f"/{PACKAGE}/" in name}
    assert compiled == {f"{module}c" for module in modules}


@pytest.mark.slow
def test_one_file_runs_from_its_byte_code(zipapp, tmp_path, works):
    works(*BARE, without(zipapp, tmp_path, r"(?<!^__main__)\.py$"))


@pytest.mark.slow
def test_one_file_serves_a_python_whose_byte_code_it_lacks(zipapp, tmp_path, works):
    works(*BARE, without(zipapp, tmp_path, r"\.pyc$"))


@pytest.mark.slow
def test_one_file_for_everybody(zipapp, port):
    """By its first line, as a user who has no home directory and may write nowhere."""
    who = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if not os.getuid() else []
    arguments = f"-H 127.0.0.1 -p {port} -r good@mx.test --until rcpt --profile none".split()
    ran = subprocess.run(
        [*who, zipapp, *arguments],
        cwd="/",
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert FIRST_LINE.fullmatch(ran.stdout.splitlines()[0])


@pytest.mark.slow
def test_one_file_says_what_it_lacks(zipapp, tmp_path):
    """Libraries that are not Python alone are not in it."""
    arguments = "-H mx.test -r good@mx.test -S --auth ntlm --user probe".split()
    ran = run((*BARE, zipapp, *arguments), tmp_path)
    assert (ran.returncode, ran.stderr) == (3, "")
    assert ran.stdout.startswith("MAILACCEPT UNKNOWN - --auth ntlm needs the Python package ")


@pytest.mark.slow
def test_one_file_is_always_the_same(zipapp, tmp_path):
    again = tmp_path / "again"
    make_zipapp.main(["-o", str(again), "--python", sys.executable])
    assert again.read_bytes() == zipapp.read_bytes()
    assert again.stat().st_mode & 0o777 == 0o755
