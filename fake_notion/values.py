"""Builders of the API's value objects: times, rich text, files and icons.

Every function returns a new JSON-ready value in the shape that Notion's API answers with, so that one
place in the stand-in knows each shape.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from secrets import token_hex
from typing import Any, Union

Json = dict[str, Any]
RichText = Union[str, Json, list[Union[str, Json]]]
Time = Union[str, datetime, None]

FILE_STORE = "https://prod-files-secure.s3.us-west-2.amazonaws.com"
FILE_LINK_LIFETIME = timedelta(hours=1)

_PLAIN: Json = {
    "bold": False,
    "italic": False,
    "strikethrough": False,
    "underline": False,
    "code": False,
    "color": "default",
}


# Times


def parse_time(time: Time) -> datetime:
    """Return `time` as an aware datetime: ISO 8601 text, a datetime, or None for now. No zone means UTC."""
    if time is None:
        return datetime.now(timezone.utc)
    if isinstance(time, str):
        time = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)


def minute(time: Time) -> str:
    """Return `time` as pages and blocks carry it: rounded down to the minute, `2026-03-01T08:15:00.000Z`."""
    return parse_time(time).strftime("%Y-%m-%dT%H:%M:00.000Z")


def exact(time: Time) -> str:
    """Return `time` as databases carry it: to the millisecond, `2026-03-01T08:15:42.118+00:00`."""
    return parse_time(time).isoformat(timespec="milliseconds")


def date(start: str, end: str | None = None, time_zone: str | None = None) -> Json:
    """Return a date value; `start` and `end` are dates or datetimes as ISO 8601 text."""
    return {"start": start, "end": end, "time_zone": time_zone}


# Rich text


def text(content: str, link: str | None = None, **annotations: Any) -> Json:
    """Return a text item; `annotations` are `bold=True`, `color="red"` and so on."""
    return {
        "type": "text",
        "text": {"content": content, "link": {"url": link} if link else None},
        "annotations": {**_PLAIN, **annotations},
        "plain_text": content,
        "href": link,
    }


def equation(expression: str, **annotations: Any) -> Json:
    """Return an inline equation."""
    return {
        "type": "equation",
        "equation": {"expression": expression},
        "annotations": {**_PLAIN, **annotations},
        "plain_text": expression,
        "href": None,
    }


def mention(kind: str, value: Json, plain_text: str, href: str | None = None, **annotations: Any) -> Json:
    """Return a mention of any kind; the functions below call it with the value of each kind."""
    return {
        "type": "mention",
        "mention": {"type": kind, kind: value},
        "annotations": {**_PLAIN, **annotations},
        "plain_text": plain_text,
        "href": href,
    }


def mention_page(page_id: str, title: str) -> Json:
    """Return a mention of a page."""
    return mention("page", {"id": page_id}, title, object_url(page_id))


def rich_text(value: RichText) -> list[Json]:
    """Return rich text: a list of items from plain text, from one item, or from a list of both."""
    if isinstance(value, str):
        return [text(value)] if value else []
    if isinstance(value, dict):
        return [value]
    return [text(item) if isinstance(item, str) else item for item in value]


def plain_text(value: RichText) -> str:
    """Return the text of rich text without its annotations."""
    return value if isinstance(value, str) else "".join(item["plain_text"] for item in rich_text(value))


# Addresses, files and icons


def object_url(object_id: str) -> str:
    """Return the address of a page or database in Notion's application."""
    return f"https://app.notion.com/p/{object_id.replace('-', '')}"


def external_file(url: str) -> Json:
    """Return a file that is kept elsewhere; it serves as an icon and as a cover too."""
    return {"type": "external", "external": {"url": url}}


def hosted_file(path: str) -> Json:
    """Return a file that Notion keeps, without the signature that `signed` adds; an icon and a cover too."""
    return {"type": "file", "file": {"url": f"{FILE_STORE}/{path}"}}


def signed(file: Json) -> Json:
    """Return `file` as the API answers it: a hosted file gets an address that is valid for an hour.

    The address differs on every read, as Notion's does. Other files and icons come back unchanged.
    """
    if file.get("type") != "file":
        return file
    expiry_time = (datetime.now(timezone.utc) + FILE_LINK_LIFETIME).isoformat(timespec="milliseconds")
    url = f"{file['file']['url']}?X-Amz-Expires=3600&X-Amz-Signature={token_hex(32)}&x-id=GetObject"
    return {**file, "file": {"url": url, "expiry_time": expiry_time.replace("+00:00", "Z")}}


def emoji(character: str) -> Json:
    """Return an emoji icon."""
    return {"type": "emoji", "emoji": character}


def custom_emoji(emoji_object: Json) -> Json:
    """Return an icon that shows a custom emoji `{id, name, url}`."""
    return {"type": "custom_emoji", "custom_emoji": emoji_object}


def icon(name: str, color: str = "gray") -> Json:
    """Return one of Notion's own icons."""
    return {"type": "icon", "icon": {"name": name, "color": color}}
