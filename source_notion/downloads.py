"""Fetching files by their links: whole or not at all, without the token, and never held in memory.

The runtime's `DefaultFileUploader` holds the whole body of a file, takes one that is cut off for whole, and logs the
link of one that fails, which anybody may open for an hour. So only its requester is used here.
"""

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester
from airbyte_cdk.sources.streams.http.error_handlers import ErrorHandler, ErrorResolution, ResponseAction
from airbyte_cdk.sources.streams.http.error_handlers.response_models import SUCCESS_RESOLUTION
from airbyte_cdk.sources.types import StreamSlice

from source_notion.objects import transient_error
from source_notion.retriever import without_signatures

ATTEMPTS = 5
MAX_BYTES = 1_500_000_000  # what Airbyte hands over: `AbstractFileBasedStreamReader.FILE_SIZE_LIMIT` in the runtime
# Storage that is busy or in trouble; any other refusal is about the file, or its link.
PASSING = (408, 429)


class NotFetched(Exception):
    """A file that another attempt with the same link will not bring; the message says why."""


class Refused(NotFetched):
    """The storage does not give it: it is gone, or the link is too old."""


@dataclass
class StreamingRequester(HttpRequester):
    """The runtime's requester, which leaves the body to whoever reads it."""

    stream_response: bool = True


class AnyAnswer(ErrorHandler):
    """Leaves each answer to `fetch`, without a word: the runtime's handlers log the link."""

    max_retries = 0
    max_time = None

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        if isinstance(response_or_exception, Exception):
            message = "The storage of Notion's files cannot be reached."
            return ErrorResolution(ResponseAction.IGNORE, FailureType.transient_error, message)
        return SUCCESS_RESOLUTION


def fetch(requester: HttpRequester, link: str, target: Path) -> int:
    """Write what a link leads to into a file; gives its size in bytes.

    Raises `NotFetched` if it is refused or too large, and an error without the link if no attempt brought it whole.
    """
    requester.logger.addFilter(without_signatures)
    where = StreamSlice(partition={}, cursor_slice={}, extra_fields={"download_target": link})
    target.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        time.sleep(2**attempt if attempt else 0)
        response = requester.send_request(stream_slice=where)
        if response is None:
            continue
        with response:
            if 400 <= response.status_code < 500 and response.status_code not in PASSING:
                raise Refused(f"Notion's storage refuses it (status {response.status_code}).")
            if response.ok and _write_body(response, target):
                return target.stat().st_size
    raise transient_error(f"Notion's storage did not send it whole in {ATTEMPTS} attempts.")


def _write_body(response: Any, target: Path) -> bool:
    """Write a body, part by part; if it is cut off, nothing is left of it. Returns whether it came whole."""
    length = int(response.headers.get("Content-Length") or 0)
    if length > MAX_BYTES:
        raise NotFetched(f"It is larger than {MAX_BYTES:,} bytes, which is the most that Airbyte hands over.")
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            for chunk in response.iter_content(1_000_000):
                file.write(chunk)
        if length and response.raw.tell() != length:  # both in bytes as sent, which may be compressed
            return False
        part.replace(target)
        return True
    except OSError as error:  # as all errors of `requests`
        if error.errno:  # one of this machine, whose disk may be full
            raise
        return False
    finally:
        part.unlink(missing_ok=True)


def path_for(titles: Sequence[str], name: str, file_id: str) -> str:
    """A path that a person understands and no other file has: `Handbook/Kilns/firing 0123456789ab.pdf`.

    The nearest titles only, and each cut short: keys of object stores end after 1,024 bytes.
    """
    stem, dot, ending = name.rpartition(".")
    if not dot or not re.fullmatch(r"\w{1,10}", ending):
        stem, ending = name, ""
    digest = hashlib.sha256(file_id.encode()).hexdigest()[:12]
    folders = [_safe(title) for title in titles[-5:]]
    return "/".join([*folders, f"{_safe(stem)} {digest}{'.' if ending else ''}{ending}"])


def _safe(text: str) -> str:
    """A part of a path, on any system: without separators, without dots or blanks at its ends, and never empty."""
    plain = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f\ud800-\udfff]+', "_", text)[:50]
    return plain.strip(". ") or "Untitled"
