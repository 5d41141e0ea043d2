"""What a workspace holds: pages, blocks, databases, data sources and comments, kept small.

An entry is not yet the JSON object of the API; `fake_notion.workspace.Workspace` builds that when it is asked for.
A plain paragraph keeps only its text, so that a workspace of a million blocks fits into memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Union

from fake_notion.values import Json, RichText, external_file, hosted_file, rich_text

_TEXT: Json = {"rich_text": [], "color": "default"}
_HEADING: Json = {"rich_text": [], "is_toggleable": False, "color": "default"}
_MEDIA: Json = {"caption": []}
_LINK: Json = {"caption": [], "url": ""}

BLOCK_DEFAULTS: dict[str, Json] = {
    "paragraph": {"rich_text": [], "icon": None, "color": "default"},
    "heading_1": _HEADING,
    "heading_2": _HEADING,
    "heading_3": _HEADING,
    "heading_4": _HEADING,
    "bulleted_list_item": _TEXT,
    "numbered_list_item": _TEXT,
    "quote": _TEXT,
    "toggle": _TEXT,
    "to_do": {"rich_text": [], "checked": False, "color": "default"},
    "callout": {"rich_text": [], "icon": None, "color": "default"},
    "code": {"caption": [], "rich_text": [], "language": "plain text"},
    "template": {"rich_text": []},
    "equation": {"expression": ""},
    "synced_block": {"synced_from": None},
    "child_page": {"title": ""},
    "child_database": {"title": ""},
    "divider": {},
    "breadcrumb": {},
    "tab": {},
    "column_list": {},
    "column": {},
    "table_of_contents": {"color": "default"},
    "link_to_page": {},
    "table": {"table_width": 0, "has_column_header": False, "has_row_header": False},
    "table_row": {"cells": []},
    "embed": _LINK,
    "bookmark": _LINK,
    "link_preview": {"url": ""},
    "image": _MEDIA,
    "video": _MEDIA,
    "pdf": _MEDIA,
    "audio": _MEDIA,
    "file": _MEDIA,
    "meeting_notes": {},
    "unsupported": {"block_type": "button"},
    "ai_block": {},
}
"""The payload of each block type before anything is set; its keys stand in the order of the API."""

MEDIA_TYPES = frozenset({"image", "video", "pdf", "audio", "file"})

EMPTY_VALUES: dict[str, Any] = {
    "title": [],
    "rich_text": [],
    "number": None,
    "select": None,
    "status": None,
    "multi_select": [],
    "date": None,
    "people": [],
    "files": [],
    "checkbox": False,
    "url": None,
    "email": None,
    "phone_number": None,
    "formula": {"type": "string", "string": None},
    "relation": [],
    "rollup": {"type": "array", "array": [], "function": "show_original"},
    "unique_id": {"prefix": None, "number": None},
    "verification": {"state": "unverified", "date": None, "verified_by": None},
    "place": None,
    "button": {},
}
"""What a row answers for a property without a value; the four times and authors come from the page itself."""


@dataclass(eq=False, slots=True, kw_only=True)
class Entry:
    """What pages, blocks, databases and data sources have in common.

    Times are text in the form of the API; an author is the id of a user.
    """

    id: str
    parent: Any
    created_time: str
    last_edited_time: str
    created_by: str
    last_edited_by: str
    in_trash: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Block(Entry):
    """A block. `content` is its payload, or only its text when everything else is as in `BLOCK_DEFAULTS`."""

    type: str
    content: Union[str, Json] = ""
    children: Sequence[Any] = ()


@dataclass(eq=False, slots=True, kw_only=True)
class Page(Entry):
    """A page. `properties` are the values of a row by property name; `edit_order` orders edits of one minute."""

    type: ClassVar[str] = "child_page"
    title: RichText = ""
    icon: Json | None = None
    cover: Json | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    is_archived: bool = False
    is_locked: bool = False
    public_url: str | None = None
    children: Sequence[Any] = ()
    edit_order: int = 0


@dataclass(eq=False, slots=True, kw_only=True)
class Database(Entry):
    """A database: the container of data sources. It carries its times to the millisecond."""

    type: ClassVar[str] = "child_database"
    children: ClassVar[Sequence[Any]] = ()
    title: RichText = ""
    description: RichText = ""
    icon: Json | None = None
    cover: Json | None = None
    is_inline: bool = False
    is_locked: bool = False
    public_url: str | None = None
    data_sources: list[DataSource] = field(default_factory=list)


@dataclass(eq=False, slots=True, kw_only=True)
class DataSource(Entry):
    """A data source. `properties` is its schema as the API answers it; `rows` are pages, and databases in a wiki."""

    title: RichText = ""
    description: RichText = ""
    icon: Json | None = None
    cover: Json | None = None
    properties: dict[str, Json] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)
    last_unique_id: int = 0
    edit_order: int = 0


@dataclass(eq=False, slots=True, kw_only=True)
class Comment:
    """A comment on a page or block, `parent`."""

    id: str
    parent: Any
    discussion_id: str
    created_time: str
    last_edited_time: str
    created_by: str
    text: RichText
    display_name: Json | None = None
    attachments: list[Json] = field(default_factory=list)


def block(
    type: str = "paragraph",
    text: RichText | None = None,
    children: Sequence[Json] = (),
    **payload: Any,
) -> Json:
    """Describe a block for the `children` of `Workspace.add_block`, which takes the same arguments."""
    return {"type": type, "text": text, "children": children, **payload}


def block_content(type: str, text: RichText | None, payload: Json) -> str | Json:
    """Return the content of a block from what a caller writes.

    Args:
        type: the block's type.
        text: its rich text, for the types that have one.
        payload: the other fields of its payload. Text may stand for rich text in `caption`, `cells` and in the
            `title` of meeting notes; `synced_from` may be a block id; `external=url` and `hosted=path` set the file
            of a media block; a `link_to_page` takes one of `page_id`, `database_id` and `comment_id`.
    """
    defaults = BLOCK_DEFAULTS[type]
    if text and "rich_text" not in defaults:
        raise ValueError(f"a {type} block has no rich text")
    if not payload and (text is None or isinstance(text, str)):
        return text or ""
    given = dict(payload)
    if text is not None:
        given["rich_text"] = rich_text(text)
    if "caption" in given:
        given["caption"] = rich_text(given["caption"])
    if "cells" in given:
        given["cells"] = [rich_text(cell) for cell in given["cells"]]
    if type == "meeting_notes" and "title" in given:
        given["title"] = rich_text(given["title"])
    if isinstance(given.get("synced_from"), str):
        given["synced_from"] = {"type": "block_id", "block_id": given["synced_from"]}
    if type == "link_to_page":
        given = {"type": next(iter(given)), **given}
    if "external" in given:
        given.update(external_file(given.pop("external")))
    if "hosted" in given:
        given.update(hosted_file(given.pop("hosted")))
    if type == "file":
        given.setdefault("name", given[given["type"]]["url"].rsplit("/", 1)[-1])
    return {**defaults, **given}


def block_payload(entry: Block) -> Json:
    """Return the payload of a block as the API answers it, but for the signatures of hosted files."""
    if isinstance(entry.content, dict):
        return entry.content
    defaults = BLOCK_DEFAULTS[entry.type]
    return {**defaults, "rich_text": rich_text(entry.content)} if entry.content else defaults


def synced_from(entry: Block) -> str | None:
    """Return the id of the original of a synced copy; None for an original and for all other blocks."""
    if entry.type != "synced_block" or not isinstance(entry.content, dict) or not entry.content["synced_from"]:
        return None
    return str(entry.content["synced_from"]["block_id"])
