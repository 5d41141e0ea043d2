"""An object of an unexpected shape costs at most itself: any field of any record null, missing or of another type."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from clock import Clock
from conftest import Sync, cases, serving, sync
from hypothesis import assume, given
from hypothesis import strategies as st
from loaders import table_of

from fake_notion.stand_in import Answer, Request, StandIn
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

MISSING = "missing"
WRONG: list[Any] = [MISSING, None, "text", 7, True, [], [None], [7], {}, {"type": None}, {"type": "unheard_of"}]
Path = tuple[str, ...]


class Garden(Workspace):
    """A few of everything that streams deliver."""

    def __init__(self) -> None:
        super().__init__("Garden")
        self.add_user("Ada", email="ada@example.com")
        self.pages = [
            self.add_page(title=f"Page {number}", icon={"type": "emoji", "emoji": "🌱"}) for number in range(3)
        ]
        for page in self.pages:
            toggle = self.add_block(page, "toggle", "Open")
            self.add_block(toggle, text="Text")
        self.page_of_comment = {self.add_comment(page, "Comment"): page for page in self.pages}
        database = self.add_database(self.pages[0], "Beds")
        properties = {"Name": "title", "Size": "number", "When": "date", "Tags": "multi_select"}
        self.sources = [self.add_data_source(database, "Beds", properties), self.add_data_source(database, "Seeds")]
        self.rows = [self.add_row(self.sources[0], {"Name": f"Row {number}", "Size": number}) for number in range(3)]
        self.add_view(database, "All")
        for name in ("anchor", "bell"):
            self.add_custom_emoji(name, f"https://example.com/{name}.png")
            self.add_file_upload(f"{name}.txt", "text/plain")


@dataclass
class Broken:
    """Replaces one field of one object in every answer that has it."""

    kind: str
    id: str
    path: Path
    value: Any

    def __call__(self, request: Request) -> Answer | None:
        if request.path == "/v1/oauth/token":
            return None
        answer = request.normal()
        if not isinstance(answer.body, dict) or answer.status != 200:
            return answer
        for each in answer.body.get("results", [answer.body]):
            if each.get("id") == self.id and kind_of(each) == self.kind:  # a page and its markdown share an id
                self._break(each)
        return answer

    def _break(self, field: Any) -> None:
        *above, last = self.path
        for name in above:
            field = field.get(name) if isinstance(field, dict) else None
        if isinstance(field, dict) and self.value == MISSING:
            field.pop(last, None)
        elif isinstance(field, dict):
            field[last] = deepcopy(self.value)


def kind_of(item: dict[str, Any]) -> str:
    kind = str(item.get("object", "custom_emoji"))
    is_row = kind == "page" and item["parent"]["type"] == "data_source_id"
    return "row" if is_row else kind


def paths_of(value: Any, depth: int = 3) -> Iterator[Path]:
    """The paths of all fields of an object but its id and what says which kind of object it is."""
    for name, inner in value.items():
        if name not in ("object", "request_id"):
            yield (name,)
        if isinstance(inner, dict) and depth > 1:
            yield from ((name, *below) for below in paths_of(inner, depth - 1))


STREAMS = ["blocks", "comments", "page_markdown", "pages", "users", "data_sources", "databases", "custom_emojis"]
STREAMS += ["file_uploads", "views"]


def objects_of_all_kinds() -> dict[str, dict[str, Any]]:
    """One object of each kind, the second of its kind if there are several: the first and the last are its neighbours."""
    garden = Garden()
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with serving(garden) as api:

        def keep(request: Request) -> Answer | None:
            answer = request.normal()
            if isinstance(answer.body, dict) and answer.status == 200:
                for each in answer.body.get("results", [answer.body]):
                    if isinstance(each.get("id"), str):
                        found.setdefault(kind_of(each), {}).setdefault(each["id"], deepcopy(each))
            return answer

        api.answer(keep)
        sync(*STREAMS, table_of(garden, garden.sources[0]))
    return {kind: [*objects.values()][min(1, len(objects) - 1)] for kind, objects in found.items()}


@pytest.fixture(scope="module")
def objects(prepared_manifest: None) -> dict[str, dict[str, Any]]:
    return objects_of_all_kinds()


def read(garden: Garden, broken: Broken | None = None) -> tuple[Sync, Sync]:
    """A sync of everything, and one of the table of the first data source."""
    with serving(garden) as api:
        table = table_of(garden, garden.sources[0])
        if broken:
            api.answer(broken)
            if (broken.id, broken.path) == (garden.sources[0], ("title",)):
                table = table.replace("beds", "untitled")
        return sync(*STREAMS), sync(table)


def ids_of(result: Sync) -> dict[str, set[str]]:
    ids = {stream: {record["id"] for record in records} for stream, records in result.records.items()}
    return {stream.replace("untitled", "beds"): of_stream for stream, of_stream in ids.items()}


def lost(garden: Garden, whole: list[Sync], broken: Broken) -> list[str]:
    """What should have arrived and did not, and what was said of it; nothing if all is well."""
    problems = []
    for before, after in zip(whole, read(garden, broken), strict=True):
        said = json.dumps([after.warnings, [*after.errors.values()]])
        for stream, ids in ids_of(before).items():
            missing = ids - ids_of(after).get(stream, set())
            if missing - below(garden, broken):
                problems.append(f"{stream} lost neighbours: {sorted(missing)}, {said}")
            elif missing and not (after.warnings or after.errors):
                problems.append(f"{stream} lost {sorted(missing)} without a word")
        if any("Something went wrong" in each for each in after.errors.values()):
            problems.append(said)
    return problems


def below(garden: Garden, broken: Broken) -> set[str]:
    """An item and what nothing else leads to: the blocks and comments within it, the rows of a table without an id."""
    ids = {broken.id}
    for page in garden.page_ids():
        for placed in garden.blocks_of(page):
            if not ids.isdisjoint({page, placed.parent_id}):
                ids.add(placed.block["id"])
    if (broken.kind, broken.path) == ("data_source", ("id",)):
        ids.update(garden.rows)
    return ids | {comment for comment, page in garden.page_of_comment.items() if page in ids}


@given(st.data())
@cases(30)
def test_any_field_of_any_object_null_missing_or_of_another_type_costs_that_object_at_most(
    clock: Clock, objects: dict[str, dict[str, Any]], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(objects)))
    path = data.draw(st.sampled_from(sorted(paths_of(objects[kind]))))
    value = data.draw(st.sampled_from(WRONG))
    assume((path, value) != (("id",), "text"))  # with another id, it is another object
    garden = Garden()
    whole = [*read(garden)]

    assert lost(garden, whole, Broken(kind, objects[kind]["id"], path, value)) == []


def test_an_integer_of_19_digits_is_a_float(workspace: Workspace, api: StandIn) -> None:
    source = workspace.add_data_source(
        workspace.add_database(None, "Tasks"), properties={"Name": "title", "N": "number"}
    )
    workspace.add_row(source, {"Name": "Large", "N": 9_999_999_999_999_999_999})

    (page,) = sync("pages").records["pages"]

    (number,) = (each["value"]["number"] for each in page["properties"] if each["name"] == "N")
    assert isinstance(number, float)
