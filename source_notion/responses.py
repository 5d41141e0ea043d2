"""What an answer of Notion is: whole, ignored, or to be asked for again."""

from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import (
    DefaultErrorHandler,
)
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)


@dataclass
class NotionErrorHandler(DefaultErrorHandler):
    """The runtime's error handler, which also looks at answers that call themselves a success.

    The runtime would take an answer 200 that is cut off, or not the object expected, for an empty
    page. Here it goes through the same filters as an error, and is asked for again if none matches.

    Attributes:
        expected_objects: what a good answer may be: a `list`, or the single object asked for.
    """

    expected_objects: Sequence[str] = ("list",)

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        if isinstance(response_or_exception, Exception):
            return _ask_again(
                "Notion cannot be reached at https://api.notion.com. Check that this machine may "
                "connect to it: network, proxy, firewall, certificates."
            )
        if response_or_exception.ok and self._is_whole(response_or_exception):
            return SUCCESS_RESOLUTION
        resolution = super().interpret_response(response_or_exception)
        if resolution is SUCCESS_RESOLUTION:
            return _ask_again("The answer is not the one expected of Notion's API: it may be cut off.")
        if resolution.response_action == ResponseAction.REDUCE_PAGE_SIZE and not self._is_for_lists:
            return _ask_again(resolution.error_message or "")
        return resolution

    @property
    def _is_for_lists(self) -> bool:
        return "list" in self.expected_objects

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


def _ask_again(message: str) -> ErrorResolution:
    return ErrorResolution(ResponseAction.RETRY, FailureType.transient_error, message)


class ResultsExtractor(RecordExtractor):
    """The `results` of a list. The runtime's DpathExtractor visits every leaf of the body for them."""

    def extract_records(self, response: Any) -> Iterable[MutableMapping[str, Any]]:
        yield from body_of(response).get("results", [])


def body_of(response: Any) -> Any:
    """The JSON of a response; each call of its `json` would parse it anew."""
    if not hasattr(response, "body_as_json"):
        response.body_as_json = response.json()
    return response.body_as_json
