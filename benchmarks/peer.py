"""The connector to compare with, in an environment of its own beside this project's."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional

from benchmarks.runs import ROOT

NAME = "airbyte-source-notion"
FOLDER = ROOT / ".venv-peer"
REQUIREMENTS = Path(__file__).with_name("requirements-peer.txt")
PYTHONS = ((3, 11), (3, 10))
"""The versions of Python that it installs on."""


def version() -> str:
    """Its pinned version."""
    return _pinned(NAME)


def runtime_version() -> str:
    """The pinned version of the runtime that it is built on."""
    return _pinned("airbyte-cdk")


def command() -> Optional[list[str]]:
    """Its command, installed if it was not yet; None without a Python that it installs on."""
    executable, marker = FOLDER / "bin" / "source-notion", FOLDER / ".installed"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not (marker.exists() and marker.read_text() == digest and executable.exists()):
        python = _python()
        if python is None:
            return None
        print(f"Building the environment of {NAME} in {FOLDER.name}, once.", file=sys.stderr)
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([python, "-m", "venv", str(FOLDER)], check=True)
        pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--requirement", str(REQUIREMENTS)], check=True)
        marker.write_text(digest)
    return [str(executable)]


def _pinned(name: str) -> str:
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}=="))
    return line.removeprefix(f"{name}==").split(" ")[0]


def _python() -> Optional[str]:
    """The interpreter to build the environment with: this one, or one that lies on the path."""
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        works = found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0
        if works:
            return found
    return None
