"""The least that Python needs to read pages, blocks and comments: one request after the other, each result printed."""

import json
from collections.abc import Iterator
from typing import Any

import requests

HEADERS = {"Authorization": "Bearer secret_sample", "Notion-Version": "2026-03-11"}
SESSION = requests.Session()
SESSION.headers.update(HEADERS)


def listed(method: str, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Print and return all results of a list."""
    answer: dict[str, Any] = {"has_more": True}
    while answer["has_more"]:
        given: Any = {"json" if method == "POST" else "params": {"page_size": 100, **parameters}}
        answer = SESSION.request(method, f"https://api.notion.com/v1/{path}", **given).json()
        for result in answer["results"]:
            print(json.dumps(result))
            yield result
        parameters["start_cursor"] = answer["next_cursor"]


only_pages = {"property": "object", "value": "page"}
pages = [page["id"] for page in listed("POST", "search", filter=only_pages)]
for page in pages:
    waiting = [page]
    while waiting:
        for block in listed("GET", f"blocks/{waiting.pop()}/children"):
            if block["has_children"] and block["type"] not in ("child_page", "child_database"):
                waiting.append(block["id"])
for page in pages:
    for _ in listed("GET", "comments", block_id=page):
        pass
