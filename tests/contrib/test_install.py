"""Every way in which the plugin is installed: copied, linked, as a wheel and as one file."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.programs import PATIENCE, unavailable
from support.scripts import Manners, Servers

from exchange_mailaccept import __version__

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = "check_exchange_mailaccept.py"
PACKAGE = "exchange_mailaccept"
sys.path.append(str(CHECKOUT / "packaging"))

import make_zipapp  # noqa: E402 it is no package

FIRST_LINE = re.compile(
    r"MAILACCEPT OK - 127\.0\.0\.1 passed every stage up to rcpt for good@mx\.test in \d+\.\d+s"
    r" \(Exchange\) \| banner=.*"
)


UNTIL_RCPT = ("--until", "rcpt", "--profile", "none", "-F", "probe.test")


def run(
    command: Sequence[object], cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command far from the checkout, as one that knows nothing of it."""
    # An installed plugin is not the checkout's: its coverage would be that of other files.
    usual = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE", "COV_", "PYTHON"))
    }
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env=environment or usual, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=PATIENCE, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def works(serve: Servers, tmp_path: Path) -> Callable[..., None]:
    """Check that a plugin works, ``works(word, ...)``, from a directory with nothing in it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    arguments = ("-H", "127.0.0.1", "-p", serve(Manners()).port, "-r", "good@mx.test")

    def check(*command: object, **how: Any) -> None:
        ran = run((*command, *arguments, *UNTIL_RCPT), **{"cwd": elsewhere, **how})
        assert (ran.returncode, ran.stderr) == (0, "")
        assert FIRST_LINE.fullmatch(ran.stdout.splitlines()[0]), ran.stdout

    return check


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A directory for plugins."""
    directory = tmp_path / "plugins"
    directory.mkdir()
    return directory


def copy_to(directory: Path) -> Path:
    """Copy what is needed, and nothing else; returns the plugin."""
    shutil.copy2(CHECKOUT / SCRIPT, directory)
    shutil.copytree(
        CHECKOUT / PACKAGE, directory / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    return directory / SCRIPT


def test_a_copy_is_executable(plugins, works, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"])))
    works(copy_to(plugins))


def test_a_copy_in_a_directory_that_cannot_be_written(plugins, works):
    """Python must not need to keep its byte code there."""
    plugin = copy_to(plugins)
    # Another user could not reach a Python below /root, where those of pyenv are; so root goes
    # without what lets it write where the mode forbids it.
    without = ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override"]
    who = [] if os.getuid() else without
    directories = [path for path in (plugins, *plugins.rglob("*")) if path.is_dir()]
    for directory in directories:
        directory.chmod(0o555)
    try:
        works(*who, sys.executable, plugin)
    finally:
        for directory in directories:
            directory.chmod(0o755)
    assert [*plugins.rglob("__pycache__")] == []


def test_a_symbolic_link_from_another_directory(tmp_path, plugins, works):
    link = tmp_path / "check_exchange_mailaccept"
    link.symlink_to(copy_to(plugins))
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
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {"PKG-INFO"} | {name for name in names if ".egg-info/" in name}
    assert names - made == set(sources()) - {".gitattributes", ".gitignore"}


@pytest.mark.slow
def test_contents_of_the_wheel(built):
    with zipfile.ZipFile(built.wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    package = [str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / PACKAGE).rglob("*.py")]
    modules = [name for name in files if re.match(r"[^.]+\.py$|[^.]+/", name)]
    assert sorted(modules) == sorted([SCRIPT, *package])
    apart = {name.rpartition("/")[2]: content for name, content in files.items()}
    assert apart["LICENSE"] == (CHECKOUT / "LICENSE").read_bytes()
    scripts = apart["entry_points.txt"].decode().splitlines()
    assert "check_exchange_mailaccept = exchange_mailaccept.launch:main" in scripts
    metadata = email.message_from_bytes(apart["METADATA"])
    assert metadata["Name"] == "check_exchange_mailaccept"
    assert metadata["Summary"] == "Nagios/Icinga plugin: does an Exchange server accept mail?"
    assert metadata["License"] == "GPL-3.0-or-later"
    assert metadata["Requires-Python"] == ">=3.9"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# check_exchange_mailaccept\n")
    assert {"tls", "ntlm", "idn"} <= set(metadata.get_all("Provides-Extra"))
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(required) == ["dnspython>=2.3", "nagiosplugin>=1.3.2"]


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


#: Far from site-packages, so that all libraries come out of the file.
BARE = (sys.executable, "-I", "-S", "-W", "error")


@pytest.mark.slow
@pytest.mark.parametrize(
    "left_out",
    [
        r"$nothing",
        # It runs from its byte code, and serves a Python whose byte code it lacks.
        r"(?<!^__main__)\.py$",
        r"\.pyc$",
    ],
)
def test_one_file(zipapp, tmp_path, works, left_out):
    with zipfile.ZipFile(zipapp) as whole, zipfile.ZipFile(tmp_path / "copy", "w") as copy:
        for entry in whole.infolist():
            if not re.search(left_out, entry.filename):
                copy.writestr(entry, whole.read(entry))
        is_whole = len(copy.namelist()) == len(whole.namelist())
    assert is_whole == (left_out == r"$nothing")
    works(*BARE, tmp_path / "copy")


@pytest.mark.slow
def test_one_file_has_every_module(zipapp):
    modules = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / PACKAGE).rglob("*.py")}
    names = zipfile.ZipFile(zipapp).namelist()
    assert {name for name in names if name.startswith(f"{PACKAGE}/")} == modules
    # Byte code of the same, and of nothing else of the plugin's.
    compiled = {name.partition("/")[2] for name in names if f"/{PACKAGE}/" in name}
    assert compiled == {f"{module}c" for module in modules}


@pytest.mark.slow
def test_one_file_for_everybody(zipapp, works):
    """By its first line, as a user who has no home directory and may write nowhere."""
    who = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if not os.getuid() else []
    works(*who, zipapp, cwd=Path("/"), HOME="/nonexistent", PATH="/usr/bin:/bin")


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
