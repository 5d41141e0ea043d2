"""How `make` builds the environment: with which Python, in which steps, and what it never deletes; and its targets."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from integration_tests.runs import CLONED, ROOT, Program, run

# An interpreter that says which version it is. The environments that it makes have one that only tells what it is
# asked to do, so nothing is installed.
INTERPRETER = """#!/bin/sh
if [ "$1" = -c ]; then exec {python} -c "import sys; sys.version_info = {version}; $2"; fi
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >> asked\\n{ending}' > "$3/bin/python"
chmod +x "$3/bin/python"
"""
STEPS = [
    "1/3 Building the environment in .venv, once",
    "2/3 Installing the packages of requirements.txt: a minute or two",
    "3/3 Installing the connector",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone without an environment, and interpreters beside it."""
    for name, version, ending in (
        ("python3.9", (3, 9, 18), ""),
        ("python3.12", (3, 12, 1), ""),
        ("python3.11", (3, 11, 8), ""),
        ("python3.13", (3, 13, 0), ""),
        ("offline", (3, 12, 1), "exit 1"),
    ):
        text = INTERPRETER.format(python=sys.executable, version=version, ending=ending)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o700)
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in CLONED:
        shutil.copy2(ROOT / name, clone)
    return clone


def make(folder: Path, *arguments: str) -> Program:
    return run(["make", *arguments], folder, PATH=f"{folder.parent}:{os.environ['PATH']}")


def asked(folder: Path) -> list[str]:
    """What the environment's interpreter was asked to do since the last time, one line each."""
    file = folder / "asked"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


@pytest.mark.parametrize("python", ["python3.9", "python3.13", "no-such-python"])
def test_a_python_that_pyairbyte_does_not_run_on_is_refused_before_anything_is_built(folder: Path, python: str) -> None:
    done = make(folder, "run", f"PYTHON={python}")

    assert done.printed.splitlines()[:2] == [
        f"{python} is not Python 3.10, 3.11 or 3.12, which PyAirbyte needs. Name one of them:",
        "make run PYTHON=python3.12",
    ]
    assert len(done.printed.splitlines()) == 3  # make says that it stops
    assert done.code == 2
    assert not (folder / ".venv").exists()


def test_building_the_environment_prints_a_line_for_each_step_and_nothing_else(
    folder: Path,
) -> None:
    done = make(folder, "run", "PYTHON=python3.12")

    assert done.printed.splitlines() == STEPS
    *installed, last = asked(folder)
    assert len(installed) == 2
    assert all(line.startswith("-m pip install --quiet --quiet") for line in installed)
    assert last == "-m tools.sync"


def test_the_environment_is_built_once_whichever_python_built_it(folder: Path) -> None:
    make(folder, "run", "PYTHON=python3.12")
    asked(folder)

    again = [make(folder, "run"), make(folder, "run", "PYTHON=python3.12")]

    assert [each.printed for each in again] == ["", ""]
    assert asked(folder) == ["-m tools.sync"] * 2


def test_another_python_builds_the_environment_anew(folder: Path) -> None:
    make(folder, "run", "PYTHON=python3.12")
    (folder / ".venv" / "of_3.12").touch()

    done = make(folder, "run", "PYTHON=python3.11")

    assert done.printed.splitlines() == STEPS
    assert not (folder / ".venv" / "of_3.12").exists()


def test_a_python_that_is_refused_leaves_the_environment_as_it_is(folder: Path) -> None:
    make(folder, "run", "PYTHON=python3.12")
    make(folder, "run", "PYTHON=python3.13")
    asked(folder)

    assert make(folder, "run").printed == ""
    assert asked(folder) == ["-m tools.sync"]


def test_after_a_build_that_failed_the_next_command_builds_anew(folder: Path) -> None:
    failed = make(folder, "run", "PYTHON=offline")
    asked(folder)

    done = make(folder, "run", "PYTHON=python3.12")

    assert failed.printed.splitlines()[:2] == STEPS[:2]
    assert failed.code == 2
    assert done.printed.splitlines() == STEPS
    assert asked(folder)[-1] == "-m tools.sync"


def with_benchmarks(folder: Path) -> Path:
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "requirements-peer.txt").touch()
    return folder


def test_the_published_connector_gets_its_own_environment_once_before_anything_is_measured(
    folder: Path,
) -> None:
    built = make(with_benchmarks(folder), "bench", "PYTHON=python3.12")
    *_, installed, measured, reported = asked(folder)
    again = make(folder, "bench", "FULL=1")

    assert built.printed.splitlines() == [
        *STEPS,
        "Building the environment of the published connector in .venv-peer, once",
    ]
    assert installed.endswith("--requirement benchmarks/requirements-peer.txt")
    assert [measured, reported] == ["-m benchmarks.measure", "-m benchmarks.report"]
    assert again.printed == ""
    assert asked(folder) == ["-m benchmarks.measure --full", "-m benchmarks.report"]


def test_without_a_python_for_the_published_connector_this_one_is_measured_all_the_same(
    folder: Path,
) -> None:
    for name in ("python3.10", "python3.11"):
        text = INTERPRETER.format(python=sys.executable, version=(3, 12, 1), ending="")
        (folder.parent / name).write_text(text)
        (folder.parent / name).chmod(0o700)

    done = make(with_benchmarks(folder), "bench", "PYTHON=python3.12")

    assert done.printed.splitlines() == STEPS
    assert not (folder / ".venv-peer").exists()
    assert asked(folder)[-2:] == ["-m benchmarks.measure", "-m benchmarks.report"]


def test_clean_removes_what_can_be_built_again_and_never_data(folder: Path) -> None:
    make(folder, "run", "PYTHON=python3.12")
    (folder / "dist").mkdir()
    (folder / "acme_0123abcd.duckdb").touch()

    done = make(folder, "clean")

    assert not (folder / ".venv").exists()
    assert not (folder / "dist").exists()
    assert (folder / "acme_0123abcd.duckdb").exists()
    assert "Databases (*.duckdb) stay." in done.printed


def test_help_lists_every_target_and_builds_nothing(folder: Path) -> None:
    (targets,) = re.findall(r"^\.PHONY: help (.*)$", (folder / "Makefile").read_text(), re.MULTILINE)

    *listed, last = make(folder, "help").printed.splitlines()

    assert [line.split()[0] for line in listed] == targets.split()
    assert all(len(line.split()) > 2 for line in listed)
    assert last.endswith("make run PYTHON=python3.12")
    assert not (folder / ".venv").exists()


def test_a_commit_is_checked_by_what_make_lint_runs() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    (hooks,) = (each["hooks"] for each in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"])

    commands = [line.strip().replace("$(VENV)", ".venv").removesuffix(" .") for line in recipe.splitlines()[1:]]
    assert [hook["entry"] for hook in hooks] == commands


def test_the_workflow_has_every_python_that_the_package_takes() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    (first, below) = re.findall(
        r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', (ROOT / "pyproject.toml").read_text(), re.M
    )[0]

    versions = [*jobs["everything"]["strategy"]["matrix"]["python"]]
    versions += [step["with"]["python-version"] for step in jobs["connector"]["steps"] if "setup-python" in str(step)]
    assert versions == [f"3.{minor}" for minor in range(int(first), int(below))]
    assert {"run": ".ci/run"} in jobs["everything"]["steps"]
