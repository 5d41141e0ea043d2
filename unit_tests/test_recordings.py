"""What the real API once answered, sent through each stream: the schemas declare all of it."""

import json
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from airbyte_cdk.utils.datetime_helpers import ab_datetime_try_parse
from conftest import ROOT, STREAMS, discover, sync
from jsonschema import Draft7Validator, FormatChecker
from under_test import Json

from fake_notion.stand_in import Answer, Request, Rule, StandIn, on

RECORDINGS = ROOT.parent / "shared" / "recordings"
PAGE = "00000000-0000-4000-8000-00000000aaaa"
NOT_BLOCKS = ("child_page", "child_database", "ai_block")

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recordings of the API lie beside the project, not in it"
)


def recorded(kind: str) -> list[Json]:
    return json.loads((RECORDINGS / f"{kind}.json").read_text())


# ----------------------------------------------------------------------------- answers of the stand-in


def listing(*objects: Json) -> Rule:
    """Answers with objects, at most a hundred at a time, from the cursor on."""

    def answer(request: Request) -> Answer:
        start = int(parameter(request, "start_cursor") or 0)
        end = start + 100
        more = end < len(objects)
        return Answer(
            body={
                "object": "list",
                "results": list(objects[start:end]),
                "next_cursor": str(end) if more else None,
                "has_more": more,
            }
        )

    return answer


def parameter(request: Request, name: str) -> Any:
    return (request.query if request.method == "GET" else request.body or {}).get(name)


def newest_first(*objects: Json) -> Rule:
    return listing(*sorted(objects, key=lambda each: each["last_edited_time"], reverse=True))


def search(*objects: Json) -> Rule:
    """Answers a search for what these objects are, and finds nothing else."""

    def answer(request: Request) -> Answer:
        wanted = parameter(request, "filter")["value"]
        return newest_first(*(each for each in objects if each["object"] == wanted))(request)  # type: ignore[return-value]

    return on("POST", "/v1/search", answer)


def a_page() -> Json:
    return {**recorded("pages")[0], "id": PAGE}


def databases() -> Iterator[Rule]:
    """Each database on its own, and a search that gives one data source of each."""
    of_each = zip(recorded("databases"), recorded("data_sources"), strict=True)
    yield search(
        *({**source, "parent": {"type": "database_id", "database_id": database["id"]}} for database, source in of_each)
    )
    for database in recorded("databases"):
        answer = Answer(body={**database, "request_id": "of the answer, not of the database"})
        yield on("GET", f"/v1/databases/{database['id']}", answer)


def rules(stream: str) -> list[Rule]:
    """What the stand-in answers so that a stream gets all recorded objects of its kind."""
    if stream == "users":
        return [on("GET", "/v1/users", listing(*recorded("users")))]
    if stream == "file_uploads":
        return [on("GET", "/v1/file_uploads", listing(*recorded("file_uploads")))]
    if stream in ("pages", "data_sources"):
        return [search(*recorded(stream))]
    if stream == "databases":
        return list(databases())
    if stream == "comments":
        return [search(a_page()), on("GET", "/v1/comments", listing(*recorded("comments")))]
    return [
        search(a_page()),
        on("GET", f"/v1/blocks/{PAGE}/children", listing(*recorded("blocks"))),
        on("GET", "/v1/blocks/.*/children", listing()),
    ]


# ------------------------------------------------------------------------------------------ schemas

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time")
def _is_a_point_in_time(value: Any) -> bool:
    return not isinstance(value, str) or ("T" in value and ab_datetime_try_parse(value) is not None)


@pytest.fixture(scope="module")
def schemas() -> dict[str, Json]:
    return discover(databases={"selection": "none"})


def undeclared(value: Any, schema: Optional[Json], path: str) -> Iterator[str]:
    """The paths of all fields in a value that its schema does not declare."""
    if isinstance(value, dict):
        declared = (schema or {}).get("properties", {})
        for name, inner in value.items():
            if name in declared:
                yield from undeclared(inner, declared[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(value, list):
        for inner in value:
            yield from undeclared(inner, (schema or {}).get("items"), f"{path}[]")


@pytest.mark.parametrize("stream", [*STREAMS, "file_uploads"])
def test_every_recorded_object_arrives_and_its_schema_declares_all_of_it(
    api: StandIn, schemas: dict[str, Json], stream: str
) -> None:
    for rule in rules(stream):
        api.answer(rule)

    result = sync(stream)

    assert result.errors == {}
    expected = [each["id"] for each in recorded(stream) if each.get("type") not in NOT_BLOCKS]
    assert expected and sorted(result.ids(stream)) == sorted(expected)
    validator = Draft7Validator(schemas[stream], format_checker=FORMATS)
    faults = {
        f"{stream}.{error.json_path}: {error.message}"
        for record in result.records[stream]
        for error in validator.iter_errors(record)
    }
    assert faults == set()
    assert {path for record in result.records[stream] for path in undeclared(record, schemas[stream], stream)} == set()
