"""Blocks as objects of the API, and the parts that all objects have in common."""

from __future__ import annotations

from fake_notion.entries import MEDIA_TYPES, Block, Database, DataSource, Entry, Page, block_payload, synced_from
from fake_notion.values import Json, plain_text, signed


def block_object(entry: Block | Page | Database) -> Json:
    """Return a block object; a page is a `child_page` block and a database a `child_database` block."""
    return {
        "object": "block",
        "id": entry.id,
        "parent": parent_object(entry),
        "created_time": _block_time(entry.created_time),
        "last_edited_time": _block_time(entry.last_edited_time),
        "created_by": partial_user(entry.created_by),
        "last_edited_by": partial_user(entry.last_edited_by),
        "has_children": _has_children(entry),
        "in_trash": entry.in_trash,
        "type": entry.type,
        entry.type: _payload(entry),
    }


def parent_object(entry: Entry) -> Json:
    """Return the `parent` of a page, block, database or data source."""
    parent = entry.parent
    if isinstance(parent, Page):
        return reference("page_id", parent.id)
    if isinstance(parent, Block):
        return reference("block_id", parent.id)
    if isinstance(parent, Database):
        return reference("database_id", parent.id)
    if isinstance(parent, DataSource):
        if isinstance(entry, Database):
            return reference("database_id", parent.parent.id)
        return {
            "type": "data_source_id",
            "data_source_id": parent.id,
            "database_id": parent.parent.id,
        }
    return {"type": "workspace", "workspace": True}


def _payload(entry: Block | Page | Database) -> Json:
    if not isinstance(entry, Block):
        return {"title": plain_text(entry.title)}
    content = block_payload(entry)
    if entry.type in MEDIA_TYPES:
        return signed(content)
    if content.get("icon"):
        return {**content, "icon": signed(content["icon"])}
    return content


def _has_children(entry: Block | Page | Database) -> bool:
    if entry.children:
        return any(not child.in_trash for child in entry.children)
    return isinstance(entry, Block) and synced_from(entry) is not None


def partial_user(user_id: str) -> Json:
    """Return a partial user object."""
    return {"object": "user", "id": user_id}


def reference(kind: str, object_id: str) -> Json:
    return {"type": kind, kind: object_id}


def _block_time(time: str) -> str:
    """Return the time of a database rounded down to the minute, as its block carries it; other times as they are."""
    return time if time.endswith("Z") else time[:16] + ":00.000Z"
