"""Each stream over recorded answers: which requests it makes, and the shape of its records.

`recordings/greenhouse.json` holds calls as {"request": …, "response": …}, written for this project in the
shapes of the real API: a small workspace whose lists hold two results at a time.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests_mock
from airbyte_cdk.sources.declarative.schema.json_file_schema_loader import JsonFileSchemaLoader
from conftest import MANIFEST, STREAMS, Sync, sync

RECORDING = Path(__file__).parent / "recordings" / "greenhouse.json"
CALLS: list[dict[str, Any]] = json.loads(RECORDING.read_text(encoding="utf-8"))
HOST = "https://api.notion.com"


def recorded(path: str) -> list[dict[str, Any]]:
    """The results of the recorded lists whose path starts so, in order of the pages."""
    return [
        result
        for call in CALLS
        if call["request"]["path"].startswith(path)
        for result in call["response"]["body"]["results"]
    ]


@pytest.fixture(scope="module")
def notion() -> Any:
    """Answers exactly the recorded requests."""
    with requests_mock.Mocker() as mocker:
        for call in CALLS:
            request, response = call["request"], call["response"]

            def same_body(real: Any, body: Any = request["body"]) -> bool:
                return (json.loads(real.body) if real.body else None) == body

            mocker.register_uri(
                request["method"],
                HOST + request["path"],
                additional_matcher=same_body,
                complete_qs=True,
                status_code=response["status"],
                json=response["body"],
            )
        yield mocker


@pytest.fixture(scope="module")
def read(notion: Any) -> Sync:
    return sync(*STREAMS)


def test_every_recorded_request_is_made_and_no_other(read: Sync, notion: Any) -> None:
    assert read.errors == {}
    assert read.warnings == []
    made_twice = {url for url, times in Counter(real.url for real in notion.request_history).items() if times > 1}
    # Pages are listed since the start date and, for comments, of any age. The database is asked for by its stream,
    # and by the page that holds it. The two queries of rows differ by their bodies.
    assert {url.split("/")[4] for url in made_twice} == {"search", "databases", "data_sources"}
    made = {(real.method, real.path + ("?" + real.query if real.query else "")) for real in notion.request_history}
    assert {path.split("?")[0] for _, path in made} == {call["request"]["path"].split("?")[0] for call in CALLS}


def test_every_request_says_the_one_version_of_the_api(read: Sync, notion: Any) -> None:
    assert {real.headers["Notion-Version"] for real in notion.request_history} == {"2026-03-11"}
    assert MANIFEST.read_text(encoding="utf-8").count("2026-03-11") == 1


def test_users_are_paginated_and_a_bots_owner_stands_under_info_too(read: Sync) -> None:
    assert sorted(read.ids("users")) == sorted(user["id"] for user in recorded("/v1/users"))
    bots = {user["name"]: user["bot"] for user in read.records["users"] if user["type"] == "bot"}
    owner = bots["Watering robot"]["owner"]
    assert owner["type"] == "user"
    assert owner["info"] == owner["user"]
    assert owner["info"]["name"] == "Ann Gardener"
    assert bots["Sample connection"]["owner"] == {
        "type": "workspace",
        "workspace": True,
        "info": True,
    }


def test_pages_come_newest_first_with_properties_as_name_and_value(read: Sync) -> None:
    pages = read.records["pages"]
    times = [page["last_edited_time"] for page in pages]
    assert times == sorted(times, reverse=True)
    tomato = next(page for page in pages if page["last_edited_time"].startswith("2026-05-20"))
    by_name = {each["name"]: each["value"] for each in tomato["properties"]}
    assert by_name["Height"]["number"] == 1.2
    assert by_name["Bed"]["select"]["name"] == "South"
    assert by_name["Name"]["title"][0]["plain_text"] == "Tomato"
    assert tomato["in_trash"] is False
    assert tomato["parent"]["type"] == "data_source_id"


def test_data_sources_have_their_schema_as_name_and_value(read: Sync) -> None:
    (plants,) = read.records["data_sources"]
    assert {each["name"]: each["value"]["type"] for each in plants["properties"]} == {
        "Name": "title",
        "Height": "number",
        "Bed": "select",
    }


def test_databases_keep_the_shape_people_have_and_name_their_data_sources(read: Sync) -> None:
    (plants,) = read.records["databases"]
    (source,) = read.records["data_sources"]
    assert plants["properties"] == source["properties"]
    assert [each["id"] for each in plants["data_sources"]] == [source["id"]]
    assert plants["last_edited_time"] == "2026-05-04T03:02:01.987+00:00"
    assert read.state["databases"]["state"] == {"last_edited_time": "2026-05-04T03:02:01.987Z"}
    assert "request_id" not in plants


def test_blocks_carry_their_parent_their_place_and_their_page(read: Sync) -> None:
    texts = [
        (
            block["depth"],
            block["parent"]["sequence_number"],
            block[block["type"]]["rich_text"][0]["plain_text"],
        )
        for block in read.records["blocks"]
        if block["page_last_edited_time"].startswith("2026-06-01")
    ]
    assert texts == [
        (0, 0, "Plants"),
        (0, 1, "What grows where"),
        (1, 0, "Tomatoes on the south side"),
        (1, 1, "Water the basil"),
    ]
    assert all(block["parent"]["type"] in ("page_id", "block_id") for block in read.records["blocks"])


def test_comments_know_their_page(read: Sync) -> None:
    comments = read.records["comments"]
    assert sorted(comment["id"] for comment in comments) == sorted(
        comment["id"] for comment in recorded("/v1/comments")
    )
    assert all(comment["page_id"] == comment["parent"]["page_id"] for comment in comments)


def test_each_stream_has_a_state_of_its_own(read: Sync) -> None:
    assert set(read.state) == set(STREAMS)
    assert read.state["data_sources"] == {"last_edited_time": "2026-05-05T00:00:00.000Z"}


@pytest.mark.parametrize("stream", STREAMS)
def test_records_fit_their_schema(read: Sync, stream: str) -> None:
    schema = JsonFileSchemaLoader(
        config={}, parameters={}, file_path=f"./source_notion/schemas/{stream}.json"
    ).get_json_schema()
    validator = jsonschema.Draft7Validator(schema)
    assert [e.message for r in read.records[stream] for e in validator.iter_errors(r)] == []
