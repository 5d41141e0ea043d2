"""A soak: one sync of a large workspace under a storm of mixed faults, beside an undisturbed one.

`python -m tools.soak` runs the installed connector twice over a workspace of more than 20,000 blocks: once
as it is, once while a share of all answers is a fault. It compares what arrived with what the workspace
holds, in order, and prints what it cost. All waits are real.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any, Optional

from fake_notion.generated import generate
from fake_notion.stand_in import Answer, Request, Rule, StandIn, error, rate_limited
from fake_notion.workspace import Workspace

TOKEN = "secret_sample"
STREAMS = ("pages", "blocks", "comments")
HTML = Answer(502, "<html>Bad gateway</html>", {"Content-Type": "text/html"})


def _truncated(request: Request) -> Answer:
    answer = request.normal()
    answer.truncate = True
    return answer


def _invalid_cursor(request: Request) -> Optional[Answer]:
    cursor = (request.body or request.query).get("start_cursor")
    message = f"The start_cursor provided is invalid: {cursor}"
    return error(400, "validation_error", message) if cursor else None


FAULTS: dict[str, Rule] = {
    "429": lambda request: rate_limited(1),
    "529": lambda request: error(529, "service_overload", "Busy.", headers={"Retry-After": "1"}),
    "500": lambda request: error(500, "internal_server_error", "Unexpected error."),
    "502, HTML": lambda request: HTML,
    "503": lambda request: error(503, "service_unavailable", "Try again."),
    "504": lambda request: error(504, "gateway_timeout", "Took too long."),
    "409": lambda request: error(409, "conflict_error", "Conflict."),
    "dropped": lambda request: Answer(drop=True),
    "cut off": _truncated,
    "invalid cursor": _invalid_cursor,
    "validation_error": lambda request: error(400, "validation_error", "body failed validation."),
}


def storm(share: float, seed: int, met: Counter[str]) -> Rule:
    """A rule that answers a share of all requests with a fault, each kind as often as any other."""
    chance, lock = random.Random(seed), Lock()

    def rule(request: Request) -> Optional[Answer]:
        with lock:
            kind = chance.choice(list(FAULTS)) if chance.random() < share else None
        answer = FAULTS[kind](request) if kind else None
        if kind and answer:
            with lock:
                met[kind] += 1
        return answer

    return rule


def _catalog() -> dict[str, Any]:
    return {
        "streams": [
            {
                "stream": {
                    "name": name,
                    "json_schema": {},
                    "supported_sync_modes": ["full_refresh", "incremental"],
                },
                "sync_mode": "incremental",
                "destination_sync_mode": "append_dedup",
            }
            for name in STREAMS
        ]
    }


def _sync(api: StandIn, workers: int) -> dict[str, Any]:
    """Run the connector once; gives records, warnings, exit code, seconds, memory and processor time."""
    with tempfile.TemporaryDirectory() as folder:
        config, catalog = Path(folder, "config.json"), Path(folder, "catalog.json")
        config.write_text(
            json.dumps(
                {
                    "credentials": {"auth_type": "token", "token": TOKEN},
                    "start_date": "2020-01-01T00:00:00.000Z",
                    "num_workers": workers,
                }
            )
        )
        catalog.write_text(json.dumps(_catalog()))
        command = [str(Path(sys.executable).with_name("source-notion")), "read"]
        started = time.monotonic()
        process = subprocess.Popen(
            [*command, "--config", str(config), "--catalog", str(catalog)],
            stdout=subprocess.PIPE,
            env={**os.environ, **api.environment()},
            text=True,
        )
        records: dict[str, list[dict[str, Any]]] = {stream: [] for stream in STREAMS}
        warnings = 0
        for line in process.stdout or ():
            message = json.loads(line) if line.startswith("{") else {}
            if message.get("type") == "RECORD":
                records[message["record"]["stream"]].append(message["record"]["data"])
            warnings += message.get("log", {}).get("level") == "WARN"
        _, status, usage = os.wait4(process.pid, 0)
    return {
        "records": records,
        "warnings": warnings,
        "exit code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - started,
        "peak memory, MB": usage.ru_maxrss / 1024,
        "processor seconds": usage.ru_utime + usage.ru_stime,
        "requests": sum(api.counts.values()),
    }


def _is_complete(workspace: Workspace, records: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether everything arrived once, and the blocks of each page in order."""
    of_page: dict[str, list[str]] = {page: [] for page in workspace.page_ids()}
    for block in records["blocks"]:
        of_page[block["page_id"]].append(block["id"])
    return (
        sorted(page["id"] for page in records["pages"]) == sorted(workspace.page_ids())
        and sorted(comment["id"] for comment in records["comments"]) == _page_comments(workspace)
        and all(ids == [placed.block["id"] for placed in workspace.blocks_of(page)] for page, ids in of_page.items())
    )


def _page_comments(workspace: Workspace) -> list[str]:
    """The ids of the comments on pages; those on blocks are not asked for."""
    return sorted(
        comment.id
        for page_id in workspace.page_ids()
        if (page := workspace.find(page_id))
        for comment in workspace.comments_of(page)
    )


def main() -> None:
    """Run both syncs and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=int, default=2_200)
    parser.add_argument("--share", type=float, default=0.03, help="of answers that are faults")
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    workspace = generate(options.pages, options.seed, comments=4 * options.pages)
    workspace.max_page_size = 5  # more pages of listings, and so more cursors to invalidate
    blocks = sum(len(workspace.blocks_of(page)) for page in workspace.page_ids())
    met: Counter[str] = Counter()
    results = {}
    for name, share in (("undisturbed", 0.0), ("storm", options.share)):
        with StandIn(workspace, token=TOKEN, log=False) as api:
            api.answer(storm(share, options.seed, met))
            results[name] = _sync(api, options.workers)
    print(f"{options.pages} pages, {blocks} blocks, {len(_page_comments(workspace))} comments\n")
    print("| | undisturbed | storm |\n|---|---|---|")
    complete = {name: _is_complete(workspace, result["records"]) for name, result in results.items()}
    print(f"| arrived complete, once, in order | {complete['undisturbed']} | {complete['storm']} |")
    print(f"| faults | 0 | {sum(met.values())} |")
    for figure in (
        "requests",
        "seconds",
        "processor seconds",
        "peak memory, MB",
        "warnings",
        "exit code",
    ):
        first, second = (results[name][figure] for name in ("undisturbed", "storm"))
        print(f"| {figure} | {first:,.0f} | {second:,.0f} |")
    print("\nFaults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(met.items())))
    if not all(complete.values()):
        sys.exit("Something is missing.")


if __name__ == "__main__":
    main()
