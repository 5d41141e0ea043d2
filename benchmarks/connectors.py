"""Runs of the connectors, as processes that talk to the fake Notion."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from benchmarks import fake
from benchmarks.fake import TOKEN, Ids, Server
from benchmarks.results import FOLDER, LOOP, OURS, PEER, SEARCH_ONLY, WORKERS

PROGRAMS = Path(sys.executable).parent
PEER_PROGRAM = FOLDER.parent / ".venv-peer" / "bin" / "source-notion"  # `make bench` builds it
NEVER = float("inf")

Json = dict[str, Any]


@dataclass(frozen=True)
class Connector:
    """Its name in the results, its command, and its settings beside those that all take."""

    name: str
    command: list[str]
    settings: Json = field(default_factory=dict)


INSTALLED = Connector(OURS, [str(PROGRAMS / "source-notion"), "read"], {"num_workers": WORKERS})
LIMITED = replace(INSTALLED, name=SEARCH_ONLY, settings={**INSTALLED.settings, "page_discovery": "search"})
PUBLISHED = Connector(PEER, [str(PEER_PROGRAM), "read"])
BOTH = [INSTALLED, PUBLISHED] if PEER_PROGRAM.exists() else [INSTALLED]
PLAIN_LOOP = Connector(LOOP, [sys.executable, str(FOLDER / "plain_loop.py")])


def with_frequent_states(folder: Path) -> Connector:
    """The bundle, changed to give a state after each page; it is written to `folder`."""
    fake.write_bundle(folder)
    manifest, components = folder / "manifest.yaml", folder / "components.py"
    interval = re.compile(r"(\bseconds_between_states\b(?:: \w+ =|:| =) )[\d.]+", re.IGNORECASE)
    changed = 0
    for path in (manifest, components):
        text, number = interval.subn(r"\g<1>0", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        changed += number
    if not changed:
        raise RuntimeError("The bundle has no `seconds_between_states` any more to set to 0.")
    program = str(PROGRAMS / "source-declarative-manifest")
    paths = ["--manifest-path", str(manifest), "--components-path", str(components)]
    return replace(INSTALLED, command=[program, "read", *paths])


@dataclass
class Run:
    """What a run gave and cost."""

    ids: Ids = field(default_factory=dict)  # of the records, if they were kept
    states: Json = field(default_factory=dict)  # the last of each stream, as `--state` takes them
    errors: list[str] = field(default_factory=list)
    requests: int = 0  # that the fake Notion received
    was_killed: bool = False
    processor: float = 0.0  # seconds, user and system
    memory: float = 0.0  # the peak of what was resident, in MB

    def shares(self, existing: Ids) -> dict[str, float]:
        """The share of what exists that was delivered, by stream, from 0 to 1."""
        return {stream: len(ids & self.ids.get(stream, set())) / len(ids) for stream, ids in existing.items()}


def read(
    connector: Connector,
    server: Server,
    streams: list[str],
    states: Optional[Json] = None,
    *,
    keep_ids: bool = False,
    kill_after_requests: float = NEVER,
    kill_after_seconds: float = NEVER,
) -> Run:
    """Read streams until the connector ends or is killed, from the states of a run before."""
    run, before = Run(), server.ask(fake.count)
    kill = kill_after_requests, kill_after_seconds
    variables = {**os.environ, **server.environment, "AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
    with tempfile.TemporaryDirectory(prefix="notion-bench-") as folder:
        command = connector.command + _files(Path(folder), connector, streams, states)
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=variables, **pipes) as process:
            if min(kill) < NEVER:
                server.ask(fake.kill_after, process.pid, *kill)
            for line in process.stdout or ():
                _take(line, run, keep_ids)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    run.was_killed = min(kill) < NEVER and process.returncode == -signal.SIGKILL
    run.processor = usage.ru_utime + usage.ru_stime
    run.memory = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    run.requests = server.ask(fake.count) - before
    if run.errors or (process.returncode and not run.was_killed):  # it would look cheap
        raise RuntimeError(f"{command} ended with {process.returncode}: {run.errors}")
    return run


def _files(folder: Path, connector: Connector, streams: list[str], states: Optional[Json]) -> list[str]:
    """Write configuration, catalog and state; return the options that name the files."""
    credentials = {"auth_type": "token", "token": TOKEN}
    config = {"credentials": credentials, "start_date": "2020-01-01T00:00:00.000Z"}
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    supported = {"json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    # In the order in which our `discover` lists them: what discovers pages comes before `pages`.
    catalog = [{"stream": {"name": name, **supported}, **modes} for name in sorted(streams)]
    contents: Json = {"config": config | connector.settings, "catalog": {"streams": catalog}}
    if states:
        contents["state"] = list(states.values())
    options = []
    for name, content in contents.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        options += [f"--{name}", str(path)]
    return options


def _take(line: bytes, run: Run, keep_ids: bool) -> None:
    if not (line.startswith(b"{") and line.endswith(b"\n")):  # a kill may cut off the last line
        return
    message = json.loads(line)
    kind = message.get("type")
    if kind == "RECORD" and keep_ids:
        record = message["record"]
        run.ids.setdefault(record["stream"], set()).add(record["data"]["id"])
    elif kind == "STATE":
        state = message["state"]
        name = state["stream"]["stream_descriptor"]["name"]
        run.states[name] = {"type": state["type"], "stream": state["stream"]}
    elif kind == "TRACE" and "error" in message["trace"]:
        run.errors.append(message["trace"]["error"]["message"])
