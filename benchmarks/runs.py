"""Runs of a connector as a process, against a stand-in that serves from a process of its own."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

from local.stand_in import StandIn
from local.workspace import Workspace

TOKEN = "secret_sample"
START_DATE = "2020-01-01T00:00:00.000Z"
ROOT = Path(__file__).parents[1]


# The stand-in


class Server:
    """A stand-in in a process of its own, so that it neither shares nor distorts what is measured."""

    def __init__(self, build: Callable[..., Workspace], *arguments: Any, **options: Any) -> None:
        """Prepare to serve.

        Args:
            build: a function of a module that returns the workspace; it runs in the new process.
            arguments: its arguments.
            options: those of `StandIn`.
        """
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, build, arguments, options), daemon=True)
        self._lock = threading.Lock()

    def __enter__(self) -> Server:
        """Start the process and wait until it serves."""
        self._process.start()
        self.environment: dict[str, str] = self._here.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._here.send(None)
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function of a module gives, called there with the stand-in and `arguments`."""
        with self._lock:
            self._here.send((function, arguments))
            answer, failure = self._here.recv()
        if failure:
            raise RuntimeError(failure)
        return answer


def _serve(
    pipe: Connection,
    build: Callable[..., Workspace],
    arguments: Iterable[Any],
    options: dict[str, Any],
) -> None:
    with StandIn(build(*arguments), token=TOKEN, **options) as api:
        pipe.send(api.environment())
        while (message := pipe.recv()) is not None:
            function, values = message
            try:
                pipe.send((function(api, *values), None))
            except Exception as failure:
                pipe.send((None, repr(failure)))


def take_counts(api: StandIn) -> Counter[tuple[str, int]]:
    """Return the requests since the last call, by `"GET /v1/users"` and status."""
    with api._lock:
        counts, api.counts = api.counts, Counter()
    taken: Counter[tuple[str, int]] = Counter()
    for (method, template, status), number in counts.items():
        taken[f"{method} {template}", status] += number
    return taken


def request_log(api: StandIn) -> list[tuple[float, int]]:
    """Return (seconds on the monotonic clock, status) of each request, in the order of arrival."""
    return sorted((request.time, request.status) for request in list(api.requests))


# A connector


@dataclass
class Run:
    """What one run of a connector gave and cost.

    Attributes:
        ids: the distinct ids of the records by stream, if they were kept.
        records: how many records came, by stream.
        states: the last state message of each stream, as `--state` takes them.
        requests: how many, by `"GET /v1/users"` and status.
        errors: the texts of error messages.
        exit_code: 0, or -9 for a run that was stopped.
        processor: user and system seconds of the process.
        memory: the peak of its resident memory in MB; never less than this process had when it started it.
        seconds: by the clock.
    """

    ids: dict[str, set[str]] = field(default_factory=dict)
    records: Counter[str] = field(default_factory=Counter)
    states: dict[str, Any] = field(default_factory=dict)
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    exit_code: int = 0
    processor: float = 0.0
    memory: float = 0.0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.requests.values())

    def of(self, endpoint: str) -> int:
        """The requests to one endpoint, such as `POST /v1/search`."""
        return sum(number for (name, _), number in self.requests.items() if name == endpoint)

    @property
    def state(self) -> list[Any]:
        """The state to hand to the next run."""
        return list(self.states.values())


def ours() -> list[str]:
    """The command of this project's connector."""
    return [str(Path(sys.executable).with_name("source-notion"))]


def run(
    command: list[str],
    server: Server,
    *streams: str,
    state: Optional[list[Any]] = None,
    keep_ids: bool = True,
    stop_after: Optional[float] = None,
    **config: Any,
) -> Run:
    """Read streams to the end, or until it is stopped.

    Args:
        command: the connector's executable.
        server: the stand-in that it talks to.
        streams: the streams' names.
        state: `Run.state` of the run before.
        keep_ids: whether to keep the ids of the records.
        stop_after: seconds after the first request at which to end the process.
        config: further settings of the connector.
    """
    catalog = {
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
            for name in streams
        ]
    }
    files: dict[str, Any] = {"catalog": catalog, "config": configuration(**config)}
    if state is not None:
        files["state"] = state
    return execute([*command, "read"], server, files, keep_ids, stop_after)


def configuration(**config: Any) -> dict[str, Any]:
    """The settings that both connectors take."""
    credentials = {"auth_type": "token", "token": TOKEN}
    return {"credentials": credentials, "start_date": START_DATE, **config}


def execute(
    command: list[str],
    server: Optional[Server],
    files: dict[str, Any],
    keep_ids: bool = False,
    stop_after: Optional[float] = None,
) -> Run:
    """Run a command to its end and take what it prints, line by line.

    Args:
        command: the executable and its first arguments.
        server: the stand-in that it talks to, if it talks to any.
        files: by option, what to write into a file for it: `config` becomes `--config <file>`.
        keep_ids: whether to keep the ids of the records.
        stop_after: seconds after the first request at which to end the process.
    """
    result = Run()
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if server:
        server.ask(take_counts)
        variables.update(server.environment)
    with tempfile.TemporaryDirectory(prefix="notion-bench-") as folder:
        for name, content in files.items():
            path = Path(folder, f"{name}.json")
            path.write_text(json.dumps(content), encoding="utf-8")
            command = [*command, f"--{name}", str(path)]
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables, cwd=folder
        )
        assert process.stdout is not None
        if server and stop_after is not None:
            threading.Thread(target=_stop, args=(process, server, stop_after), daemon=True).start()
        for line in process.stdout:
            _take(line, result, keep_ids)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = result.exit_code = os.waitstatus_to_exitcode(status)
        result.seconds = time.monotonic() - started
    result.processor = usage.ru_utime + usage.ru_stime
    result.memory = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    if server:
        result.requests = server.ask(take_counts)
    if result.exit_code and not (stop_after is not None and result.exit_code == -signal.SIGKILL):
        # A run that failed would look cheap.
        raise RuntimeError(f"{command} ended with {result.exit_code}: {result.errors}")
    return result


def _take(line: bytes, result: Run, keep_ids: bool) -> None:
    if not line.startswith(b"{"):
        return
    message = json.loads(line)
    kind = message.get("type")
    if kind == "RECORD":
        record = message["record"]
        result.records[record["stream"]] += 1
        if keep_ids:
            result.ids.setdefault(record["stream"], set()).add(record["data"]["id"])
    elif kind == "STATE":
        state = message["state"]
        result.states[state["stream"]["stream_descriptor"]["name"]] = {
            "type": state["type"],
            "stream": state["stream"],
        }
    elif kind == "TRACE" and message["trace"]["type"] == "ERROR":
        result.errors.append(message["trace"]["error"]["message"])
    elif kind == "CONNECTION_STATUS":
        status = message["connectionStatus"]
        if status["status"] != "SUCCEEDED":
            raise RuntimeError(f"the check failed: {status.get('message')}")


def _stop(process: subprocess.Popen[bytes], server: Server, after: float) -> None:
    """End a process `after` seconds after the stand-in's first request; let it end by itself before."""
    first: Optional[float] = None
    while process.returncode is None:
        if first is None:
            first = server.ask(_first_request)
        elif time.monotonic() > first + after:
            # Not `process.kill`, which may take the exit status away from `os.wait4`.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            return
        time.sleep(0.2)


def _first_request(api: StandIn) -> Optional[float]:
    return api.requests[0].time if api.requests else None
