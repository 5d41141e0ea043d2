"""CONTRIBUTING.md: its examples work as they are, in the files and lines that it promises. And architecture.md."""

import re
from typing import Any

import conftest
import pytest
import yaml
from conftest import MANIFEST, ROOT, sync
from loaders import table_of

from fake_notion import stand_in
from fake_notion.stand_in import StandIn
from fake_notion.workspace import Workspace
from source_notion import columns, run

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(title: str, language: str) -> list[str]:
    """The blocks of a section, in their order."""
    section = CONTRIBUTING.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def example_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector with the stream of the example."""
    definition, place = blocks("Add a stream", "yaml")
    text = MANIFEST.read_text(encoding="utf-8")
    for heading, added in (("\ndefinitions:\n", definition), ("\nstreams:\n", place)):
        assert text.count(heading) == 1
        text = text.replace(heading, heading + added)
    monkeypatch.setattr(run, "manifest", lambda: yaml.safe_load(text))


def run_test(code: str, **fixtures: Any) -> None:
    """Run the one test of a block, with the names that the tests of the project import."""
    names: dict[str, Any] = {**vars(stand_in), **vars(conftest)}
    before = {*names}
    exec(code, names)
    (test,) = (name for name in names if name.startswith("test_") and name not in before)
    names[test](**fixtures)


def test_the_example_of_a_test_passes(workspace: Workspace, api: StandIn, naps: list[float]) -> None:
    (code,) = blocks("Test it", "python")

    run_test(code, workspace=workspace, api=api)

    assert naps


@pytest.mark.usefixtures("example_stream")
def test_the_example_of_a_stream_passes_its_test(workspace: Workspace, api: StandIn) -> None:
    (code,) = blocks("Add a stream", "python")

    run_test(code, workspace=workspace, api=api)

    assert api.count("GET /v1/users/{id}") == len(workspace.users()) == 2


def test_the_example_of_a_stream_takes_ten_lines_and_one_in_the_list() -> None:
    assert [len(block.splitlines()) for block in blocks("Add a stream", "yaml")] == [10, 1]


def test_the_example_of_a_property_type_is_one_line_and_gives_a_typed_column(
    workspace: Workspace, api: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = blocks("Add a property type", "python")
    assert len(line.splitlines()) == 1
    added = eval(f"{{{line}}}", vars(columns).copy())
    properties = {"Name": "title", "Stars": "review"}
    source = workspace.add_data_source(workspace.add_database(None, "Books"), properties=properties)
    workspace.add_row(source, {"Name": "Emma", "Stars": {"stars": 4}})
    stream = table_of(workspace, source)

    (before,) = sync(stream).records[stream]
    monkeypatch.setattr(columns, "PROPERTY_TYPES", {**columns.PROPERTY_TYPES, **added})
    (after,) = sync(stream).records[stream]

    assert (before["Stars"], after["Stars"]) == ('{"stars":4}', 4)


def test_the_architecture_names_every_module_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("| module |")[2].partition("\n\n")[0]

    modules = {path.name for path in (ROOT / "source_notion").glob("*.py")} - {"__init__.py"}
    assert {*re.findall(r"`(\w+\.py)`", table)} == modules
