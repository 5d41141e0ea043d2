"""A plain loop over the same answers: the least that Python needs to read pages, blocks and comments.

It sends the requests that the connector sends, one after the other, and prints every result as JSON.
The environment leads it to the stand-in.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Optional

import requests

API = "https://api.notion.com/v1"
HEADERS = {"Authorization": "Bearer secret_sample", "Notion-Version": "2026-03-11"}


def main() -> None:
    """Read the whole workspace."""
    session = requests.Session()
    session.headers.update(HEADERS)

    def listed(path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        cursor: Optional[str] = None
        while True:
            given = {"page_size": 100, **parameters}
            if cursor:
                given["start_cursor"] = cursor
            if path == "/search":
                answer = session.post(API + path, json=given).json()
            else:
                answer = session.get(API + path, params=given).json()
            for result in answer["results"]:
                sys.stdout.write(json.dumps(result) + "\n")
                yield result
            if not answer["has_more"]:
                return
            cursor = answer["next_cursor"]

    kind = {"property": "object", "value": "page"}
    pages = [page["id"] for page in listed("/search", filter=kind)]
    for page in pages:
        waiting = [page]
        while waiting:
            for block in listed(f"/blocks/{waiting.pop()}/children"):
                if block["has_children"] and block["type"] not in ("child_page", "child_database"):
                    waiting.append(block["id"])
    for page in pages:
        for _ in listed("/comments", block_id=page):
            pass


if __name__ == "__main__":
    main()
