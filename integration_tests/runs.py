"""What the tests of `make run` share: a clone to run it in, and what a person sees of it."""

import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Optional

import duckdb

ROOT = Path(__file__).parents[1]
COLUMNS = 80
CLONED = ("Makefile", "README.md", "pyproject.toml", "requirements.txt")
CLONED_FOLDERS = ("fake_notion", "source_notion", "tools")
# What the `make` that runs the tests hands to what it starts.
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "NOTION_TOKEN")

# Gives a program the terminal that is its standard input, which Ctrl-C needs, then starts it.
ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


def clone(folder: Path) -> Path:
    """The project in another folder, as `git clone` leaves it, with the environment that is here already."""
    folder.mkdir(exist_ok=True)
    for name in CLONED:
        shutil.copy2(ROOT / name, folder)
    for name in CLONED_FOLDERS:
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@dataclass
class Program:
    """A program that runs in a pipe, or in a terminal of 80 columns.

    Attributes:
        printed: what it printed so far.
        code: its exit code, when it has ended.
    """

    command: list[str]
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    on_terminal: bool = False
    printed: str = ""
    code: Optional[int] = None

    def start(self) -> "Program":
        self._news = Condition()
        self._output, writes_to = pty.openpty() if self.on_terminal else os.pipe()
        command = self.command
        if self.on_terminal:
            fcntl.ioctl(writes_to, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
            command = [sys.executable, "-c", ON_TERMINAL, *command]
        inherited = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**inherited, **self.variables},
            stdin=writes_to if self.on_terminal else subprocess.DEVNULL,
            stdout=writes_to,
            stderr=writes_to,
            start_new_session=True,
        )
        os.close(writes_to)
        self._reader = Thread(target=self._read)
        self._reader.start()
        return self

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._output, 65_536)
            except OSError:  # the terminal has no program any more
                part = b""
            with self._news:
                self.printed += part.decode(errors="replace").replace("\r\n", "\n")
                self._news.notify_all()
            if not part:
                return

    def wait_for(self, text: str) -> None:
        """Wait until it has printed what a regular expression describes."""
        with self._news:
            is_there = self._news.wait_for(lambda: re.search(text, self.printed), timeout=300)
        assert is_there, self.printed

    def press_ctrl_c(self) -> None:
        os.write(self._output, b"\x03")

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> "Program":
        """Wait for its end."""
        self.code = self._process.wait(timeout=300)
        self._reader.join(timeout=300)
        os.close(self._output)
        return self

    def screen(self) -> list[str]:
        """The lines that a terminal of any width shows in the end: what is redrawn covers what was there."""
        lines = []
        for line in self.printed.split("\n"):
            shown = ""
            for drawn in line.split("\r"):
                shown = drawn + shown[len(drawn) :]
            lines.append(shown.rstrip())
        return lines[:-1] if lines[-1] == "" else lines

    def drawn(self) -> list[str]:
        """All that was ever drawn from the beginning of a line."""
        return [part for line in self.printed.split("\n") for part in line.split("\r")]

    def table(self) -> dict[str, list[str]]:
        """The cells of each line of the table, by its first word."""
        _, _, below_its_head = self.printed.rpartition("seconds warnings\n")
        table: dict[str, list[str]] = {}
        for line in below_its_head.splitlines():
            name, *cells = line.split()
            table[name] = cells
            if name == "together":
                break
        return table

    def text(self) -> str:
        """What it printed, as if no line was broken."""
        return " ".join(self.printed.split())


def run(command: Iterable[str], folder: Path, on_terminal: bool = False, **variables: str) -> Program:
    """Run a program to its end."""
    return Program(list(command), folder, variables, on_terminal).start().end()


def query(database: Path, sql: str) -> list[Any]:
    """The first column of a query's result."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return [row[0] for row in connection.execute(sql).fetchall()]


def rows(database: Path, streams: Iterable[str]) -> dict[str, list[str]]:
    """The ids of all rows, by stream."""
    return {each: query(database, f'SELECT id FROM "{each}" ORDER BY id') for each in streams}
