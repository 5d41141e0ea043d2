"""Airbyte's own checks, on the bundle, and `make run` with the next PyAirbyte: `python -m tools.gates FOLDER PROGRAMS`.

FOLDER holds the bundle; PROGRAMS is where `airbyte-ops` and its Python are, with a release candidate of PyAirbyte.
Nothing here needs a network: what does is skipped by name, with its reason.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from fake_notion.stand_in import StandIn
from fake_notion.workspace import Workspace
from tools.sync import SAMPLE, SAMPLE_TOKEN

ROOT = Path(__file__).parents[1]
IN_AIRBYTES_REPOSITORY = Path("airbyte-integrations/connectors/source-notion")
DOCUMENT = Path("docs/integrations/sources/notion.md")
NAMES_OF_CHECKS = """
from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS
print(*(type(check).__name__ for check in ENABLED_CHECKS))
"""

# The checks of `airbyte-ops` that cannot pass here, and why.
SKIPPED = {
    "ValidateMetadata": "asks Docker Hub for the base image; unit_tests/test_bundle.py validates the file",
    "ValidateBreakingChangesDeadlines": "asks Airbyte's registry whether this version is published",
    "ValidateBreakingChangesDeadlineAction": "asks Airbyte's registry whether this version is published",
    "CheckConnectorUsesPoetry": "asks Airbyte's registry whether this version is published",
    "CheckConnectorUsesHTTPSOnly": "asks Airbyte's registry whether this version is published",
    "CheckVersionIncrement": "compares with Airbyte's own repository",
    "CheckDocumentationLinks": "opens each link",
}


def quality_checks(bundle: Path, programs: Path) -> int:
    """Run `airbyte-ops local connector qa` in the layout of Airbyte's repository; gives its exit code."""
    listed = subprocess.run(
        [programs / "python", "-W", "ignore", "-c", NAMES_OF_CHECKS], capture_output=True, text=True, check=True
    )
    names = listed.stdout.split()
    for name in sorted(SKIPPED.keys() & set(names)):
        print(f"Skipped: {name}, which {SKIPPED[name]}.")
    chosen = [argument for name in names if name not in SKIPPED for argument in ("--check", name)]
    with TemporaryDirectory() as folder:
        shutil.copytree(bundle, Path(folder, IN_AIRBYTES_REPOSITORY))
        Path(folder, DOCUMENT).parent.mkdir(parents=True)
        shutil.copy(ROOT / "docs" / "notion.md", Path(folder, DOCUMENT))
        command = [str(programs / "airbyte-ops"), "local", "connector", "qa", "--name", "source-notion", *chosen]
        return subprocess.run(command, cwd=folder, env=_offline()).returncode


def standard_tests(bundle: Path) -> int:
    """Run `airbyte-cdk connector test` on the sample workspace, without an image; gives its exit code."""
    program = Path(sys.executable).with_name("airbyte-cdk")
    with TemporaryDirectory() as folder, StandIn(Workspace.load(SAMPLE), token=SAMPLE_TOKEN) as api:
        connector = shutil.copytree(bundle, Path(folder, "source-notion"))
        (connector / "secrets").mkdir()
        credentials = {"auth_type": "token", "token": SAMPLE_TOKEN}
        (connector / "secrets" / "config.json").write_text(json.dumps({"credentials": credentials}))
        command = [str(program), "connector", "test", str(connector), "--pytest-arg=-k", "--pytest-arg=not docker"]
        variables = {**_offline(), **api.environment(), "AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
        return subprocess.run(command, env=variables).returncode


def sync_with_the_next_pyairbyte(programs: Path) -> int:
    """Sync the sample workspace through the release candidate; gives the exit code, and says why if it is not 0."""
    variables = {**_offline(), "PYTHONPATH": str(ROOT)}
    variables.pop("NOTION_TOKEN", None)
    command = [str(programs / "python"), "-m", "tools.sync"]
    with TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    print(
        "The sample workspace was synced through the next PyAirbyte."
        if not done.returncode
        else done.stdout + done.stderr
    )
    return done.returncode


def _offline() -> dict[str, str]:
    return {**os.environ, "DO_NOT_TRACK": "1", "AIRBYTE_OFFLINE_MODE": "1", "PYTHONWARNINGS": "ignore"}


if __name__ == "__main__":
    folder, programs = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    sys.exit(quality_checks(folder, programs) or standard_tests(folder) or sync_with_the_next_pyairbyte(programs))
