"""What goes between a client and the stand-in: requests, answers and Notion's errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import getrandbits
from typing import Any, Union
from uuid import UUID

from fake_notion.values import Json


@dataclass
class Request:
    """A request as the stand-in received it.

    Attributes:
        method: `GET` or `POST`.
        path: the path as it was sent, without the query.
        query: the query's parameters; one that was repeated has a list of its values.
        body: the JSON body, or None.
        status: the answer's status once there is one; 0 if the connection was dropped instead.
        time: when it arrived, on the monotonic clock.
        headers: the headers with lower-case names. `authorization` says `valid` or `invalid` and not the token.
    """

    method: str
    path: str
    query: dict[str, Union[str, list[str]]] = field(default_factory=dict)
    body: Json | None = None
    status: int = 0
    time: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    answer_normally: Callable[[Request], Answer] | None = field(default=None, repr=False, compare=False)

    def normal(self) -> Answer:
        """Return the answer that the API would give, which the caller may change."""
        if self.answer_normally is None:
            raise RuntimeError("only a request that waits for its answer has a normal one")
        return self.answer_normally(self)


@dataclass
class Answer:
    """An answer, or the fault in its place.

    Attributes:
        status: the HTTP status.
        body: an object or list to send as JSON, or text or bytes to send as they are.
        headers: headers to add; `Content-Type` overrides the one that follows from the body.
        drop: close the connection at once, without an answer.
        truncate: announce the whole body, send half of it and close the connection.
        delay: seconds to wait before answering.
        drip: send the body a byte at a time, and call this before each.
    """

    status: int = 200
    body: Union[Json, list[Any], str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    truncate: bool = False
    delay: float = 0.0
    drip: Callable[[], None] | None = None


Rule = Callable[[Request], Union[Answer, None]]


class Refusal(Exception):
    """Ends the handling of a request with an error of the API."""

    def __init__(self, answer: Answer) -> None:
        """Keep the `answer` to send."""
        super().__init__(answer.body)
        self.answer = answer


def new_request_id() -> str:
    """Return a new request id."""
    return str(UUID(int=getrandbits(128), version=4))


def error(
    status: int,
    code: str,
    message: str,
    additional_data: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return an error of the API.

    Args:
        status: the HTTP status.
        code: Notion's code, such as `validation_error`.
        message: the text for people.
        additional_data: the optional further data.
        headers: headers to add.
    """
    body: Json = {"object": "error", "status": status, "code": code, "message": message}
    if additional_data is not None:
        body["additional_data"] = dict(additional_data)
    body["request_id"] = new_request_id()
    return Answer(status, body, headers or {})


def rate_limited(retry_after: int, reason: str = "public_api_request_rate_limit") -> Answer:
    """Return a 429 that asks to wait `retry_after` seconds, in its header and in its body."""
    return error(
        429,
        "rate_limited",
        "You have been rate limited. Please try again in a few minutes.",
        {"rate_limit_reason": reason, "retry_after": str(retry_after)},
        {"Retry-After": str(retry_after)},
    )
