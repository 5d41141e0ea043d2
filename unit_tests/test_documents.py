"""The documents: links that lead somewhere, facts that stand once, and figures and messages that are true."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from airbyte_cdk.sources.declarative.requesters.error_handlers import default_error_handler
from airbyte_cdk.sources.streams.http import http_client
from airbyte_cdk.sources.streams.http.requests_native_auth import abstract_oauth
from airbyte_cdk.utils import traced_exception
from conftest import LOOKBACK, MANIFEST, ROOT, SAMPLE, discover, serving, sync
from loaders import tables

from fake_notion.workspace import Workspace

DOCUMENTS = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob(".github/*.md")}
)
FOR_READERS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
GUIDE = ROOT / "docs" / "notion.md"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors_of(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings."""
    prose = re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows_below(path: Path, head: str) -> list[list[str]]:
    """The cells of a table, by the first words of its head."""
    table = text_of(path).partition(f"\n| {head}")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= 250


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_internal_link_and_anchor_leads_somewhere(path: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]+`", "", text_of(path), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not link.startswith("http")]

    for link in links:
        place, _, anchor = link.partition("#")
        target = (path.parent / place) if place else path
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_the_documents_link_to_each_other() -> None:
    linked = {name for path in FOR_READERS for name in re.findall(r"\]\((?:docs/)?(\w+\.md)", text_of(path))}

    assert {path.name for path in FOR_READERS} - linked == {"README.md"}


def test_the_lookback_and_the_answers_of_notion_are_told_in_one_place() -> None:
    minutes = rf"\b{LOOKBACK.total_seconds() / 60:.0f} minutes"
    lookback = [path.name for path in FOR_READERS for _ in re.findall(minutes, text_of(path))]
    answers = [
        path.name for path in FOR_READERS for _ in re.findall(r"^\| (?:429|409|401)\b", text_of(path), re.MULTILINE)
    ]

    assert lookback == ["notion.md"]
    assert {*answers} == {"reliability.md"}
    assert sum(text_of(path).count("\n| answer |") for path in FOR_READERS) == 1


def test_the_figures_of_the_readme_are_those_of_the_benchmark() -> None:
    results = text_of(ROOT / "benchmarks" / "results.md")
    figures = [cell for _, *cells in rows_below(ROOT / "README.md", "| source-notion |") for cell in cells]
    measured = [each for each in figures if each not in ("yes", "no")]

    assert len(measured) == 10
    assert [each for each in measured if f"| {each} |" not in results] == []


def messages_of(*sources: str) -> str:
    """The texts in Python code, each with `…` for what is filled in."""
    texts = []
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.JoinedStr):
            texts.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return "\n".join(texts)


def test_each_message_of_the_connection_check_is_one_of_the_code() -> None:
    runtime = map(inspect.getsource, (abstract_oauth, http_client, default_error_handler, traced_exception))
    code = messages_of(*(text_of(path) for path in (ROOT / "source_notion").glob("*.py")), *runtime)
    everything = code.replace("link to a … nor", "link to a page nor") + code.replace(
        "link to a … nor", "link to a database nor"
    )
    everything += text_of(MANIFEST)
    listed = [message for message, _ in rows_below(GUIDE, "message | what to do |")]

    # These two are put together from more than one text.
    known = ("Config validation error", "The source keeps rejecting pages of stream … at the smallest page size")
    assert len(listed) == 18
    assert [each for each in listed if each not in everything and each not in known] == []


@pytest.mark.usefixtures("prepared_manifest")
@pytest.mark.parametrize(("what", "first", "next_one"), rows_below(GUIDE, "stream | first sync |"))
def test_the_guide_says_what_the_sample_workspace_costs(what: str, first: str, next_one: str) -> None:
    workspace = Workspace.load(SAMPLE)
    with serving(workspace) as api:
        streams = re.findall(r"`(\w+)`", what)
        if what == "all tables":
            streams = list(tables(workspace))
        elif what.startswith("all streams but"):
            streams = [each for each in discover() if each not in streams]
            api.counts.clear()
        state = sync(*streams).state
        requests = sum(api.counts.values())
        sync(*streams, state=state)

        assert [requests, sum(api.counts.values()) - requests] == [int(first), int(next_one)]
