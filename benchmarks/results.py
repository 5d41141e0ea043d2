"""The shape of `results.json`, which `measure.py` writes and `report.py` reads, and the names in it."""

import json
import re
from pathlib import Path
from typing import Any, TypedDict

FOLDER = Path(__file__).parent


def pinned(package: str) -> str:
    """The version of a package in the published connector's environment."""
    pins = (FOLDER / "requirements-peer.txt").read_text(encoding="utf-8")
    return re.findall(rf"^{package}==(\S+)", pins, re.MULTILINE)[0]


OURS, LOOP = "this connector", "plain loop"
SEARCH_ONLY = f"{OURS}, search only"
PEER = f"airbyte-source-notion {pinned('airbyte-source-notion')}"
ALL_THREE, COMMENTS = "pages, blocks, comments", "comments"
HIDDEN = "a quarter hidden from search"
WORKERS = 10


class Row(TypedDict, total=False):
    """What one connector did with one workload; each section has some of the figures."""

    workload: str
    connector: str
    requests: int
    undisturbed: int  # requests of the same sync without kills
    kills: int
    delivered: dict[str, float]  # by stream, the share of what exists, from 0 to 1
    memory: float  # the peak of the resident memory in MB
    used: list[float]  # by full window, the share of the rate limit
    refused: list[int]  # by full window, the answers 429
    seconds: float  # of the processor, for 1,000 requests


class Results(TypedDict):
    """What a run of the benchmark measured; `made` says how."""

    made: dict[str, str]
    rows: dict[str, list[Row]]  # by section


def load(name: str) -> Any:
    """The content of a JSON file in this folder."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))
