"""What an answer of Notion is: whole, ignored, or to be asked for again."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import DefaultErrorHandler
from airbyte_cdk.sources.streams.http.error_handlers import ErrorResolution, ResponseAction
from airbyte_cdk.sources.streams.http.error_handlers.response_models import SUCCESS_RESOLUTION

# U+0000, which PostgreSQL takes in no text, and halves of characters, which UTF-8 cannot hold; and how JSON escapes them.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
ESCAPED = re.compile(rb"\\u(0000|[dD][89a-fA-F])")


@dataclass
class NotionErrorHandler(DefaultErrorHandler):
    """The runtime's error handler, which also looks at answers that call themselves a success.

    The runtime would take an answer 200 that is cut off, or not the object expected, for an empty
    page. Here it goes through the same filters as an error, and is asked for again if none matches.
    """

    expected_objects: Sequence[str] = ("list",)  # what a good answer may be: a `list`, or the single object asked for

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        if isinstance(response_or_exception, Exception):
            what_to_do = "Check that this machine may connect to it: network, proxy, firewall, certificates."
            if "key usage" in str(response_or_exception).lower():
                what_to_do = "Your proxy's certificate authority lacks keyUsage: renew it, or use Python 3.12 or older."
            return ask_again(f"Notion cannot be reached at https://api.notion.com. {what_to_do}")
        if response_or_exception.ok and self._is_whole(response_or_exception):
            return SUCCESS_RESOLUTION
        resolution = super().interpret_response(response_or_exception)
        if resolution is SUCCESS_RESOLUTION:
            return ask_again("The response is not what Notion's API should return. It may be cut off.")
        if resolution.response_action == ResponseAction.REDUCE_PAGE_SIZE and "list" not in self.expected_objects:
            return ask_again(resolution.error_message or "")
        return resolution

    def _is_whole(self, response: Any) -> bool:
        try:
            body = body_of(response)
        except ValueError:
            return False
        if not isinstance(body, dict) or body.get("object") not in self.expected_objects:
            return False
        return body["object"] != "list" or (
            isinstance(body.get("results"), list) and isinstance(body.get("has_more"), bool)
        )


class TimedBody:
    """The body of an answer, which ends after a time as if it were cut off: the runtime only limits each pause in it."""

    MAX_SECONDS = 120.0  # Notion gives up after 60

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._deadline = time.monotonic() + self.MAX_SECONDS

    def stream(self, amt: int, decode_content: bool) -> Iterator[bytes]:
        while time.monotonic() < self._deadline:
            part = self._raw.read1(amt, decode_content=decode_content)
            if not part:
                return
            yield part
        self._raw.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def ask_again(message: str) -> ErrorResolution:
    return ErrorResolution(ResponseAction.RETRY, FailureType.transient_error, message)


class ObjectsExtractor(RecordExtractor):
    """The `results` of a list, or the single object asked for. The runtime's own visits every leaf of the body."""

    def extract_records(self, response: Any) -> Iterable[MutableMapping[str, Any]]:
        body = body_of(response)
        body.pop("request_id", None)  # of the answer, not of the object
        for each in body.get("results", [body]):
            yield each if isinstance(each, dict) else {}


def body_of(response: Any) -> Any:
    """The JSON of a response; each call of its `json` would parse it anew.

    Texts lose what most databases refuse (`UNSTORABLE`), and `lost_characters` says whether they did. Integers of 19
    digits and more become floats, which is what Notion has: some loaders take them for 64 bits and store another number.
    """
    if not hasattr(response, "body_as_json"):
        body = response.json(parse_int=lambda digits: int(digits) if len(digits) < 19 else float(digits))
        response.body_as_json = _storable(body) if ESCAPED.search(response.content) else body
        response.lost_characters = response.body_as_json != body
    return response.body_as_json


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return UNSTORABLE.sub("", value)
    if isinstance(value, Mapping):
        return {_storable(key): _storable(each) for key, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
