"""A local stand-in of the Notion API, for tests and for trying the connector without an account.

The connector talks to https://api.notion.com, to the storage of Notion's files, and to nothing else. So the stand-in is
an HTTPS proxy that answers for these hosts itself, with a certificate of its own: a client that gets
`StandIn.environment()` as environment variables reaches the stand-in and cannot tell the difference.

    with StandIn(Workspace.load("fake_notion/sample_workspace.json")) as api:
        api.answer(times(1, on("POST", "/v1/search", rate_limited(2))))
        ... run the connector with api.environment() ...
        assert api.count("POST /v1/search") == 3

As a program, `python -m fake_notion.stand_in` prints the environment to export, then each request with its status and
duration, and how many there were of each when it is interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
import shlex
import signal
import socket
import ssl
import struct
import traceback
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread

# The functions, not the module: a test that moves the clock of the code under test moves no clock here.
from time import monotonic, sleep
from types import TracebackType
from typing import Union
from urllib.parse import parse_qsl

from fake_notion.api import NotionApi, endpoint
from fake_notion.certificates import write_certificates
from fake_notion.messages import Answer, Request, Rule, error, new_request_id, rate_limited
from fake_notion.storage import STORAGE_HOST, Storage
from fake_notion.workspace import Workspace

__all__ = ["Answer", "Request", "Rule", "StandIn", "error", "on", "rate_limited", "times"]

HOST = "api.notion.com"
SAMPLE_WORKSPACE = Path(__file__).with_name("sample_workspace.json")

_READ_SIZE = 65_536
_MAX_HEAD = 65_536
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


# Rules


def on(method: str, path_regex: str, answer: Union[Answer, Rule]) -> Rule:
    """Return a rule for the requests to one endpoint.

    Args:
        method: the requests' method.
        path_regex: a regular expression that the whole path matches, such as `/v1/blocks/.*/children`.
        answer: the answer, or a function of the request that returns it (or None to leave it to the next rule).
    """
    pattern = re.compile(path_regex)

    def rule(request: Request) -> Answer | None:
        if request.method != method or not pattern.fullmatch(request.path):
            return None
        return answer if isinstance(answer, Answer) else answer(request)

    return rule


def times(count: int, rule: Rule) -> Rule:
    """Return a rule that applies at most `count` times, however many threads ask it."""
    lock = Lock()
    left = count

    def limited(request: Request) -> Answer | None:
        nonlocal left
        with lock:
            if left <= 0:
                return None
            answer = rule(request)
            if answer is not None:
                left -= 1
            return answer

    return limited


class _FixedWindow:
    """Allows a number of requests in each window of time; the first request opens the first window."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._lock = Lock()
        self._end = 0.0
        self._used = 0

    def retry_after(self, now: float) -> int | None:
        """Count a request; return the whole seconds to wait if it is one too many."""
        with self._lock:
            if now >= self._end:
                late = now - self._end
                self._end = now + self._window - (late % self._window if self._end else 0.0)
                self._used = 0
            if self._used >= self._limit:
                return max(1, math.ceil(self._end - now))
            self._used += 1
            return None


# The server


class StandIn:
    """The API as an HTTPS proxy on 127.0.0.1; a context manager that serves while it is entered.

    Attributes:
        workspace: what it answers from; it may be changed while it serves.
        requests: the requests in the order of their answers, unless `log` is off.
        storage: the files that Notion stores.
        downloads: the requests to the storage, as `requests`, but with all their headers as they came.
        counts: how many there were of each (method, endpoint, status), such as
            `("GET", "/v1/blocks/{id}/children", 200)`; a dropped connection has status 0.
        token: the access token that is valid now; set another to let the client's expire.
    """

    def __init__(
        self,
        workspace: Workspace,
        token: str = "secret_sample",
        requests_per_minute: int | None = None,
        latency: float = 0.0,
        *,
        window: float = 60.0,
        log: bool = True,
        refresh_token: str = "nrt_sample",
        port: int = 0,
        when_answered: Callable[[Request, float], None] = lambda request, seconds: None,
    ) -> None:
        """Prepare to serve.

        Args:
            workspace: what to answer from.
            token: the access token that is valid.
            requests_per_minute: answer 429 to more requests than this in a window; no limit when left out.
            latency: seconds to wait before each answer.
            window: the length of the limit's window in seconds.
            log: whether to keep every request in `requests`; `counts` are kept in any case.
            refresh_token: the refresh token that is valid, for client id `sample-client` and its `sample-secret`.
            port: the port; any that is free when left out.
            when_answered: called after each answer, with the request and how many seconds it took.
        """
        self.workspace = workspace
        self.requests: list[Request] = []
        self.counts: Counter[tuple[str, str, int]] = Counter()
        self.storage = Storage()
        self.downloads: list[Request] = []
        self._api = NotionApi(workspace, token, refresh_token)
        self._limit = None if requests_per_minute is None else _FixedWindow(requests_per_minute, window)
        self._latency = latency
        self._log = log
        self._port = port
        self._when_answered = when_answered
        self._rules: list[Rule] = []
        self._lock = Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._failure: BaseException | None = None

    def __enter__(self) -> StandIn:
        """Start to serve."""
        self._folder = TemporaryDirectory(prefix="notion-stand-in-")
        self._authority, host_certificate = write_certificates(Path(self._folder.name), HOST, STORAGE_HOST)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(host_certificate)
        self._tls.num_tickets = 0
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=256)
        self._port = self._listener.getsockname()[1]
        self._closing = False
        Thread(target=self._accept, name="stand-in", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop to serve; raise what broke a rule or the stand-in itself, unless something else is being raised."""
        self._closing = True
        _wake(self._listener)
        self._listener.close()
        with self._lock:
            connections, threads = list(self._connections), list(self._threads)
        for connection in connections:
            # Each thread closes its own: closed from here, the number of a socket that is being read
            # could be another file's by the time that TLS says goodbye to it.
            _wake(connection)
        for thread in threads:
            thread.join(timeout=1)
        self._folder.cleanup()
        if self._failure is not None and kind is None:
            raise RuntimeError("the stand-in failed to answer a request") from self._failure

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        """The access token that is valid now."""
        return self._api.access_token

    @token.setter
    def token(self, token: str) -> None:
        self._api.access_token = token

    @property
    def refresh_token(self) -> str:
        """The refresh token that is valid now; each refresh replaces it."""
        return self._api.refresh_token

    def environment(self) -> dict[str, str]:
        """Return the environment variables that lead a client to the stand-in."""
        authority = str(self._authority)
        return {
            "HTTPS_PROXY": self.url,
            "https_proxy": self.url,
            "NO_PROXY": "",
            "no_proxy": "",
            "REQUESTS_CA_BUNDLE": authority,
            "CURL_CA_BUNDLE": authority,
            "SSL_CERT_FILE": authority,
        }

    def answer(self, rule: Rule) -> None:
        """Add a rule. For each request, the first rule that returns an answer decides; without one, the API does."""
        with self._lock:
            self._rules = [*self._rules, rule]

    def reset_rules(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules = []

    def count(self, of: str, status: int | None = None) -> int:
        """Return how many requests an endpoint has had.

        Args:
            of: the endpoint, such as `GET /v1/blocks/{id}/children`.
            status: count only the answers with this status.
        """
        with self._lock:
            return sum(
                number
                for (method, template, each), number in self.counts.items()
                if f"{method} {template}" == of and status in (None, each)
            )

    # Connections

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = Thread(target=self._serve, args=(connection,), name="stand-in connection", daemon=True)
            with self._lock:
                self._threads = [each for each in self._threads if each.is_alive()]
                thread.start()
                self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        """Serve one connection: the CONNECT, then requests over TLS until either side closes it."""
        try:
            with _Registered(self, connection):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                head = _Reader(connection).head()
                if head is None:
                    return
                method, target, _ = _request_line(head)
                if method != "CONNECT" or target not in (f"{HOST}:443", f"{STORAGE_HOST}:443"):
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    return
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _acknowledge_at_once(connection)
                tls = self._tls.wrap_socket(connection, server_side=True)
                _acknowledge_at_once(tls)
            with _Registered(self, tls):
                reader = _Reader(tls)
                while self._exchange(tls, reader):
                    pass
        except (OSError, ValueError):
            pass  # the client went away, or does not speak HTTP

    def _exchange(self, connection: socket.socket, reader: _Reader) -> bool:
        """Read one request and answer it; return whether the connection stays open."""
        head = reader.head()
        if head is None:
            return False
        arrived = monotonic()
        method, target, headers = _request_line(head)
        raw_body = reader.read(int(headers.get("content-length", 0)))
        path, _, query = target.partition("?")
        is_download = headers.get("host") == STORAGE_HOST
        if not is_download:
            headers["authorization"] = "valid" if self._api.authorizes(headers.get("authorization")) else "invalid"
        request = Request(
            method=method,
            path=path,
            query=_parameters(query) if query else {},
            body=_json_object(raw_body) if raw_body else None,
            time=arrived,
            headers=headers,
            answer_normally=lambda request: _copy(self._normal(request, raw_body)),
        )
        answer = self._answer(request, raw_body)
        request.answer_normally = None
        request.status = 0 if answer.drop else answer.status
        with self._lock:
            if not is_download:
                self.counts[method, endpoint(path)[0], request.status] += 1
            if self._log:
                (self.downloads if is_download else self.requests).append(request)
        if self._latency or answer.delay:
            sleep(self._latency + answer.delay)
        stays = headers.get("connection", "").lower() != "close" and not answer.truncate
        if answer.drop:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            _send(connection, _response(answer, stays), answer.drip)
        self._when_answered(request, monotonic() - arrived)
        return stays and not answer.drop

    def _answer(self, request: Request, raw_body: bytes) -> Answer:
        """Return what the limit, the first fitting rule or else the API answers."""
        if self._limit is not None and request.headers.get("host") != STORAGE_HOST:
            retry_after = self._limit.retry_after(request.time)
            if retry_after is not None:
                return rate_limited(retry_after)
        try:
            for rule in self._rules:
                answer = rule(request)
                if answer is not None:
                    return answer
            return self._normal(request, raw_body)
        except Exception as failure:
            traceback.print_exc(limit=-5)
            self._failure = self._failure or failure
            return error(500, "internal_server_error", "Unexpected error occurred.")

    def _normal(self, request: Request, raw_body: bytes) -> Answer:
        """Return what the storage or the API answers by itself."""
        if request.headers.get("host") == STORAGE_HOST:
            return self.storage.answer(request)
        return self._api.answer(request, raw_body)


class _Registered:
    """Keeps a connection where `StandIn.__exit__` finds it, and closes it at the end."""

    def __init__(self, stand_in: StandIn, connection: socket.socket) -> None:
        self._stand_in = stand_in
        self._connection = connection

    def __enter__(self) -> None:
        with self._stand_in._lock:
            self._stand_in._connections.add(self._connection)

    def __exit__(self, *_: object) -> None:
        with self._stand_in._lock:
            self._stand_in._connections.discard(self._connection)
        self._connection.close()


# HTTP


class _Reader:
    """Reads heads and bodies of requests from a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def head(self) -> str | None:
        """Return the next head without the blank line, or None if the connection was closed."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MAX_HEAD or not self._receive():
                return None
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return head.decode("latin-1")

    def read(self, length: int) -> bytes:
        """Return the next `length` bytes."""
        while len(self._buffer) < length:
            if not self._receive():
                raise ConnectionError("the connection was closed within a body")
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body

    def _receive(self) -> bool:
        received = self._connection.recv(_READ_SIZE)
        _acknowledge_at_once(self._connection)
        self._buffer += received
        return bool(received)


def _acknowledge_at_once(connection: socket.socket) -> None:
    """Spare the client 40 ms: it sends in pieces, and waits for the acknowledgement of each."""
    if _QUICK_ACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)


def _request_line(head: str) -> tuple[str, str, dict[str, str]]:
    """Return the method, the target and the headers of a head."""
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return method, target, headers


def _parameters(query: str) -> dict[str, Union[str, list[str]]]:
    """Return the parameters of a query; a repeated one has a list of its values."""
    parameters: dict[str, Union[str, list[str]]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        known = parameters.get(name)
        if known is None:
            parameters[name] = value
        else:
            parameters[name] = [*(known if isinstance(known, list) else [known]), value]
    return parameters


def _json_object(body: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _copy(answer: Answer) -> Answer:
    """Return an answer of the API that a rule may change without changing the workspace."""
    body = answer.body if isinstance(answer.body, bytes) else json.loads(_encode(answer.body))
    return Answer(answer.status, body, dict(answer.headers))


def _send(connection: socket.socket, response: bytes, drip: Callable[[], None] | None) -> None:
    body_at = response.index(b"\r\n\r\n") + 4 if drip else len(response)
    connection.sendall(response[:body_at])
    for at in range(body_at, len(response)):
        drip()  # type: ignore[misc]
        connection.sendall(response[at : at + 1])


def _response(answer: Answer, stays: bool) -> bytes:
    """Return an answer as bytes to send; half of its body if it is to be truncated."""
    body = answer.body
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if isinstance(body, (str, bytes)):
        headers["Content-Type"] = "text/html; charset=utf-8"
        content = body.encode() if isinstance(body, str) else body
    else:
        request_id = body.get("request_id") if isinstance(body, dict) else None
        headers["x-notion-request-id"] = request_id or new_request_id()
        content = _encode(body).encode()
    headers["Content-Length"] = str(len(content))
    headers["Connection"] = "keep-alive" if stays else "close"
    headers["Date"] = formatdate(usegmt=True)
    headers.update(answer.headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    head = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}\r\n{lines}\r\n"
    return head.encode("latin-1") + (content[: len(content) // 2] if answer.truncate else content)


def _wake(connection: socket.socket) -> None:
    """End the wait of whoever reads from a socket."""
    with contextlib.suppress(OSError):  # the other side may have closed it
        connection.shutdown(socket.SHUT_RDWR)


# The program


def _print_request(request: Request, seconds: float) -> None:
    line = f"{request.method} {request.path} {request.status} {seconds * 1000:.0f} ms\n"
    print(line, end="", flush=True)


def main() -> None:
    """Serve a workspace until interrupted, and print the environment that leads a client to it, and each request."""
    parser = argparse.ArgumentParser(prog="python -m fake_notion.stand_in", description=main.__doc__)
    parser.add_argument("--workspace", type=Path, default=SAMPLE_WORKSPACE, help="a file that Workspace.save wrote")
    parser.add_argument("--token", default="secret_sample", help="the access token that is valid")
    parser.add_argument("--port", type=int, default=0, help="the port; any that is free when left out")
    parser.add_argument("--requests-per-minute", type=int, help="answer 429 to more requests than this in a minute")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to wait before each answer")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    workspace = Workspace.load(options.workspace)
    stand_in = StandIn(
        workspace,
        options.token,
        options.requests_per_minute,
        options.latency,
        log=False,
        port=options.port,
        when_answered=_print_request,
    )
    with stand_in:
        exports = {**stand_in.environment(), "NOTION_TOKEN": stand_in.token}
        for name, value in exports.items():
            print(f"export {name}={shlex.quote(value) if value else value}")
        print("# Export these in another shell. The requests:", flush=True)
        try:
            while True:
                sleep(3600)
        except KeyboardInterrupt:
            print("# How many there were:")
            for (method, template, status), count in sorted(stand_in.counts.items()):
                print(f"# {count} {method} {template} {status}")


if __name__ == "__main__":
    main()
