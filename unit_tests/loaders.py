"""What the tests of whole connectors share: a small workspace with its truth, and the connector as a process."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

import pytest
import yaml
from airbyte_cdk.models import ConfiguredAirbyteCatalog
from conftest import environment
from under_test import MANIFEST, UNSAFE, Json, written

from fake_notion.entries import Page, block
from fake_notion.stand_in import StandIn
from fake_notion.values import plain_text
from fake_notion.workspace import Workspace

# The streams that are there whatever the workspace holds, in the order of the manifest.
STREAMS_OF_THE_MANIFEST: list[str] = [
    each["$ref"].rpartition("/")[2] for each in yaml.safe_load(MANIFEST.read_text())["streams"] if "$ref" in each
]

# ------------------------------------------------------------------------------------- the workspace


class SmallWorkspace(Workspace):
    """Something for every stream, edited days apart so that no page is in another's lookback window.

    Attributes:
        home: the page edited first, with nested blocks, a comment, a sub-page and a database.
        paragraph: a block on it, two levels down.
        newest: the page edited last, with more blocks than one answer holds.
        settled_comment: the one comment that is not on these pages.
    """

    def __init__(self) -> None:
        super().__init__("Small workspace")
        self.add_user("Ada", email="ada@example.com")
        self.add_user(None, email="nobody@example.com")
        self.home = self.add_page(title="Home", last_edited_time=march(1))
        outer = self.add_block(self.home, "toggle", "Outer")
        inner = self.add_block(outer, "toggle", "Inner")
        self.paragraph = self.add_block(inner, text="The deepest")
        self.add_block(self.home, "unsupported", block_type="button")
        self.add_comment(self.home, "An old comment", march(1))
        sub_page = self.add_page(self.home, "Sub-page", last_edited_time=march(2))
        self.settled_comment = self.add_comment(sub_page, "On a page that stays", march(2))
        for day, title in ((3, "Tasks"), (5, "Archive")):
            database = self.add_database(self.home, title, last_edited_time=march(day))
            source = self.add_data_source(database, properties={"Name": "title", "Done": "checkbox"})
            row = self.add_row(source, {"Name": f"A row of {title}", "Done": True}, last_edited_time=march(day + 1))
            self.add_block(row, "callout", "Look", [block("paragraph", "Here")])
        self.newest = self.add_page(title="Minutes", last_edited_time=march(20))
        for number in range(120):
            self.add_block(self.newest, text=f"Line {number}")
        self.add_comment(self.newest, "A new comment", march(20))

    def edit(self) -> dict[str, list[str]]:
        """Change a block and add a comment on the page edited first; gives what an incremental read delivers.

        That is more than what changed: what was the newest before comes once more, and blocks and
        comments come with their page.
        """
        self.edit_block(self.paragraph, "Changed", march(25))
        self.add_comment(self.home, "Seen?", march(26))
        return truth(self) | {
            "pages": sorted([self.home, self.newest]),
            "data_sources": self.data_source_ids()[1:],
            "databases": self.database_ids()[1:],
            "blocks": sorted(placed.block["id"] for placed in self.blocks_of(self.home)),
            "comments": [each for each in truth(self)["comments"] if each != self.settled_comment],
        }

    def listings(self, page_id: str) -> int:
        """How many lists of children the API has for a page, each in parts of a hundred."""
        siblings = Counter(placed.parent_id for placed in self.blocks_of(page_id))
        return sum(-(-count // 100) for count in siblings.values()) or 1


class Disorderly(Workspace):
    """A workspace whose search puts some items further back than their time says.

    Attributes:
        places_back: how far, by id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places_back: dict[str, float] = {}

    def search(self, *how: Any) -> list[Any]:
        in_order = super().search(*how)
        places = {entry.id: place + self.places_back.get(entry.id, 0) for place, entry in enumerate(in_order)}
        return sorted(in_order, key=lambda entry: places[entry.id])


def march(day: int) -> str:
    return f"2026-03-{day:02}T12:00:00.000Z"


def truth(workspace: Workspace) -> dict[str, list[str]]:
    """The ids that each stream should deliver, sorted: data sources and databases come from search alone."""
    data_sources = [each for each in workspace.data_source_ids() if each not in workspace.unsearchable]
    ids = {
        "users": [user["id"] for user in workspace.users()],
        "pages": workspace.page_ids(),
        "data_sources": data_sources,
        "databases": {workspace.find(each).parent.id for each in data_sources},  # type: ignore[union-attr]
        "blocks": [placed.block["id"] for page in workspace.page_ids() for placed in workspace.blocks_of(page)],
        "comments": workspace.comment_ids(),
    }
    return {stream: sorted(of_stream) for stream, of_stream in ids.items()}


def tables(workspace: Workspace) -> dict[str, list[str]]:
    """The ids of the rows that each table should deliver, sorted, by the name of its stream."""
    return {
        table_of(workspace, source): sorted(
            row.id
            for row in workspace.find(source).rows  # type: ignore[union-attr]
            if isinstance(row, Page) and not row.in_trash
        )
        for source in workspace.data_source_ids()
    }


def table_of(workspace: Workspace, source_id: str) -> str:
    """The name of a data source's stream, if its title is short and in plain letters."""
    title = plain_text(workspace.find(source_id).title)  # type: ignore[union-attr]
    slug = re.sub("[^a-z0-9]+", "_", title.lower()).strip("_") or "untitled"
    return f"{'t_' if slug[0].isdigit() else ''}{slug}_{source_id.replace('-', '')[-12:]}"


def requests_made(api: StandIn) -> Counter[str]:
    """How many requests each endpoint has had."""
    made: Counter[str] = Counter()
    for (method, endpoint, _), count in api.counts.items():
        made[f"{method} {endpoint}"] += count
    return made


# ------------------------------------------------------------------------------ injected components


@contextmanager
def components_in_this_process() -> Iterator[None]:
    """Allows injected components in this process, which the runtime keeps among its modules, for a while."""
    with environment(UNSAFE):
        yield
    for module in ("components", "source_declarative_manifest.components"):
        sys.modules.pop(module, None)


# --------------------------------------------------------------------------------------- processes


def program(name: str) -> str:
    """The path of a program of this environment; without it, the test fails and says what to do."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.fail(f"{path} does not exist. Run `make test`, which installs the project.")
    return str(path)


@dataclass
class Run:
    """One command of the protocol, done.

    Attributes:
        messages: what it printed to its standard output, line by line; all of it is JSON.
        output: everything it printed, as text.
        code: its exit code.
    """

    messages: list[Json]
    output: str
    code: int

    def contents(self, kind: str) -> list[Any]:
        """The contents of the messages of a kind, such as `record`."""
        return [message[kind] for message in self.messages if kind in message]

    def the(self, kind: str) -> Any:
        """The content of the only message of a kind, such as `spec`."""
        (content,) = self.contents(kind)
        return content

    def records(self, stream: str) -> list[Json]:
        return [record["data"] for record in self.contents("record") if record["stream"] == stream]

    def ids(self) -> dict[str, list[str]]:
        """The ids of the records of each stream, sorted; one that came twice stands there twice."""
        streams = sorted({record["stream"] for record in self.contents("record")})
        return {stream: sorted(record["id"] for record in self.records(stream)) for stream in streams}

    def state(self) -> list[Json]:
        """The last state of each stream, in the form of the file that the next read takes."""
        last = {message["stream"]["stream_descriptor"]["name"]: message for message in self.contents("state")}
        return [{"type": "STREAM", "stream": message["stream"]} for message in last.values()]

    def complaints(self) -> list[str]:
        """The log messages at WARN and above, and all errors."""
        logs = [log["message"] for log in self.contents("log") if log["level"] not in ("INFO", "DEBUG")]
        errors = [trace["error"]["message"] for trace in self.contents("trace") if "error" in trace]
        return logs + errors


@dataclass
class Connector:
    """The connector as a platform runs it: a process for each command of the protocol.

    Attributes:
        command: the program and its first arguments.
        environment: the environment variables that it needs beyond those of the tests.
        options: what follows the command of the protocol, if that is not `spec`.
    """

    command: list[str]
    environment: dict[str, str]
    options: list[str] = field(default_factory=list)

    def run(
        self,
        command: str,
        *flags: str,
        config: Optional[Json] = None,
        catalog: Optional[ConfiguredAirbyteCatalog] = None,
        state: Optional[list[Json]] = None,
        **environment: str,
    ) -> Run:
        """Run one command, with its files as the platform hands them over."""
        arguments = [*self.command, command, *flags, *(self.options if config else ())]
        with TemporaryDirectory() as folder:
            arguments += written(folder, config, catalog, state)
            done = subprocess.run(
                arguments,
                env={**os.environ, **self.environment, **environment},
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
                timeout=300,
            )
        return Run(
            [json.loads(line) for line in done.stdout.splitlines()],
            done.stdout + done.stderr,
            done.returncode,
        )
