"""What Notion's objects look like, and how to read what the connector needs of them.

Notion may leave out or null any part of an object, so nothing here takes a part for granted.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from sys import intern
from typing import Any, Optional, TypedDict
from urllib.parse import parse_qs, urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


class Page(TypedDict, total=False):
    """A page, row or data source; `properties` is an array once it left its listing.

    https://developers.notion.com/reference/page
    """

    object: str
    id: str
    parent: dict[str, Any]
    created_time: str
    last_edited_time: str
    in_trash: bool
    properties: Any


# Before anything in Notion was made.
LONG_AGO = "2000-01-01T00:00:00.000Z"
UNDATED = "9999"


def in_notion_format(time: datetime) -> str:
    """A time as pages carry it: `2026-07-04T09:08:00.000Z`."""
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fields_of(value: Any) -> Mapping[str, Any]:
    """The fields of an object, or none if it is something else."""
    return value if isinstance(value, Mapping) else {}


def edited_at(item: Mapping[str, Any]) -> str:
    """When an item was edited; if Notion does not say, later than anything."""
    edited = item.get("last_edited_time")
    return edited if isinstance(edited, str) and edited else UNDATED


def plain_text(rich_text: Any) -> str:
    """The text of a list of rich text items, without what Notion gives no text of."""
    items = rich_text if isinstance(rich_text, list) else []
    return "".join(text_of_item(item) or "" for item in items)


def text_of_item(item: Any) -> Optional[str]:
    """The text of one item of rich text: some have been seen without `plain_text`. None if there is none at all."""
    fields = fields_of(item)
    texts = (
        fields.get("plain_text"),
        fields_of(fields.get("text")).get("content"),
        fields_of(fields.get("equation")).get("expression"),
    )
    return next((text for text in texts if isinstance(text, str)), None)


def text_of_block(block: Mapping[str, Any]) -> str:
    """The text of a block itself: of its rich texts, table cells or expression, a line for each."""
    content = fields_of(block.get(str(block.get("type"))))
    lines = [content.get(part) for part in ("title", "rich_text", "expression", "caption")]
    texts = [line if isinstance(line, str) else plain_text(line) for line in lines if line]
    cells = content.get("cells")
    if cells and isinstance(cells, list):
        texts.append("\t".join(map(plain_text, cells)))
    return "\n".join(texts)


def may_have_children(block: Mapping[str, Any]) -> bool:
    """Whether to ask for a block's children: unless it says that it has none, or the API does not support it.

    Meeting notes also name their sections; nobody has recorded whether `has_children` counts them.
    """
    content = fields_of(block.get(str(block.get("type"))))
    says_so = block.get("has_children") is not False or any(fields_of(content.get("children")).values())
    return says_so and block.get("type") != "unsupported"


def title_of(item: Mapping[str, Any]) -> Optional[str]:
    """The title of a page or data source; None for what no path shows."""
    if item.get("object") == "data_source":
        return plain_text(item.get("title"))
    titles = (plain_text(value.get("title")) for value in _values_of(item) if value.get("type") == "title")
    return "".join(titles) if item.get("object") == "page" else None


def _values_of(page: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The values of a page's properties, whether they are keyed by name or an array."""
    properties = page.get("properties")
    if isinstance(properties, list):
        return (fields_of(each["value"]) for each in properties)
    return map(fields_of, fields_of(properties).values())


def holds_files(page: Mapping[str, Any]) -> bool:
    """Whether a page itself, and not a block on it, holds a file."""
    kinds = {fields_of(page.get(part)).get("type") for part in ("icon", "cover")}
    return not kinds.isdisjoint(("file", "external")) or any(value.get("files") for value in _values_of(page))


def parent_of(item: Mapping[str, Any], field: str = "parent") -> tuple[Optional[str], Optional[str]]:
    """The type of an item's parent and its id; None and None at the top of the workspace."""
    parent = fields_of(item.get(field))
    kind = str(parent.get("type"))
    parent_id = parent.get(kind)
    # One copy of each is enough, however many items name it.
    return (intern(kind), intern(parent_id)) if isinstance(parent_id, str) else (None, None)


def id_in(link: str, of: str = "database") -> str:
    """The id at the end of a link, as copied from the browser, or of an id, with hyphens.

    A page that is open beside its database comes after it: `/<database>?v=…&p=<page>`.
    """
    address = urlsplit(re.sub("[][]", "", link.strip()))  # `urlsplit` fails on them
    open_beside = parse_qs(address.query).get("p", [""])[0] if of == "page" else ""
    path = (open_beside or address.path).lower().replace("-", "").rstrip("/")
    found = re.search("([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$", path)
    if not found:
        raise config_error(
            f"'{link}' is neither a link to a {of} nor its id. Open the {of} in Notion as a full "
            "page, copy the link from the browser, and put it into this source's settings."
        )
    return "-".join(found.groups())


def config_error(message: str) -> AirbyteTracedException:
    """An error that only the person who set up this source can mend."""
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def transient_error(message: str) -> AirbyteTracedException:
    """An error that the next sync may not meet again."""
    return AirbyteTracedException(message=message, failure_type=FailureType.transient_error)


def reason_of(error: Exception) -> str:
    """What an error says to people, without what the runtime adds, and without secrets that Notion may repeat."""
    message = filter_secrets(str(getattr(error, "message", None) or error))
    return message.removeprefix("Exhausted available request attempts. Please see logs for more details. Exception: ")
