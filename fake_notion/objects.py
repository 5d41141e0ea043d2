"""The objects of the API, made from the entries of a workspace: one function for each kind of object."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from fake_notion.blocks import parent_object, partial_user, reference
from fake_notion.entries import (
    EMPTY_VALUES,
    Comment,
    Database,
    DataSource,
    Page,
)
from fake_notion.values import Json, object_url, plain_text, rich_text, signed
from fake_notion.workspace import Workspace

REFERENCE_LIMIT = 25
"""A page object carries this many references of a relation, people and mentions of a rich text, and no more."""

_PAGE_SCHEMA: dict[str, Json] = {"title": {"id": "title", "name": "title", "type": "title"}}


def page_object(workspace: Workspace, page: Page) -> Json:
    """Return a page object, with the references of its properties cut off where the API does."""
    return {
        "object": "page",
        "id": page.id,
        "created_time": page.created_time,
        "last_edited_time": page.last_edited_time,
        "created_by": partial_user(page.created_by),
        "last_edited_by": partial_user(page.last_edited_by),
        "cover": page.cover and signed(page.cover),
        "icon": page.icon and signed(page.icon),
        "parent": parent_object(page),
        "in_trash": page.in_trash,
        "is_archived": page.is_archived,
        "is_locked": page.is_locked,
        "properties": {
            name: _property_object(workspace, page, definition) for name, definition in _schema(workspace, page).items()
        },
        "url": object_url(page.id),
        "public_url": page.public_url,
    }


def data_source_object(workspace: Workspace, source: DataSource) -> Json:
    """Return a data source object. Relations to what is not shared are left out of its schema."""
    return {
        "object": "data_source",
        "id": source.id,
        "cover": source.cover and signed(source.cover),
        "icon": source.icon and signed(source.icon),
        "created_time": source.created_time,
        "created_by": partial_user(source.created_by),
        "last_edited_by": partial_user(source.last_edited_by),
        "last_edited_time": source.last_edited_time,
        "title": rich_text(source.title),
        "description": rich_text(source.description),
        "is_inline": source.parent.is_inline,
        "properties": _visible_schema(workspace, source),
        "parent": parent_object(source),
        "database_parent": parent_object(source.parent),
        "url": object_url(source.parent.id),
        "public_url": source.parent.public_url,
        "in_trash": source.in_trash,
    }


def database_object(workspace: Workspace, database: Database) -> Json:
    """Return a database object with the data sources that the connection may see."""
    return {
        "object": "database",
        "id": database.id,
        "title": rich_text(database.title),
        "description": rich_text(database.description),
        "parent": parent_object(database),
        "is_inline": database.is_inline,
        "in_trash": database.in_trash,
        "is_locked": database.is_locked,
        "created_time": database.created_time,
        "last_edited_time": database.last_edited_time,
        "data_sources": [
            {"id": source.id, "name": plain_text(source.title)}
            for source in database.data_sources
            if workspace.is_shared(source)
        ],
        "icon": database.icon and signed(database.icon),
        "cover": database.cover and signed(database.cover),
        "url": object_url(database.id),
        "public_url": database.public_url,
    }


def comment_object(workspace: Workspace, comment: Comment) -> Json:
    """Return a comment object."""
    author = workspace.user(comment.created_by)
    kind = "integration" if author and author["type"] == "bot" else "user"
    answer: Json = {
        "object": "comment",
        "id": comment.id,
        "parent": reference("page_id" if isinstance(comment.parent, Page) else "block_id", comment.parent.id),
        "discussion_id": comment.discussion_id,
        "created_time": comment.created_time,
        "last_edited_time": comment.last_edited_time,
        "created_by": partial_user(comment.created_by),
        "rich_text": rich_text(comment.text),
        "display_name": comment.display_name or {"type": kind, "resolved_name": author and author["name"]},
    }
    if comment.attachments:
        answer["attachments"] = [
            {"category": each["category"], "file": signed(each["file"])["file"]} for each in comment.attachments
        ]
    return answer


def user_object(workspace: Workspace, user_id: str) -> Json:
    """Return a user as it stands within other objects: partial if it is unknown or users may not be read."""
    user = workspace.user(user_id)
    if user is None or "read_users" not in workspace.capabilities:
        return partial_user(user_id)
    return {**user, "bot": {}} if user["type"] == "bot" else user


def property_definition(workspace: Workspace, page: Page, property_id: str) -> Json | None:
    """Return the schema of the page's property with this id, given without its percent-encoding."""
    with workspace.lock:
        return next(
            (each for each in _schema(workspace, page).values() if unquote(each["id"]) == property_id),
            None,
        )


def property_values(workspace: Workspace, page: Page, definition: Json) -> Any:
    """Return a property's whole value, without the limits of the page object."""
    with workspace.lock:
        kind = definition["type"]
        if kind == "title":
            return rich_text(page.title)
        if kind in ("created_time", "last_edited_time"):
            return getattr(page, kind)
        if kind in ("created_by", "last_edited_by"):
            return user_object(workspace, getattr(page, kind))
        value: Any = page.properties.get(definition["name"], EMPTY_VALUES.get(kind))  # a type may be new
        if kind == "people":
            return [each if isinstance(each, dict) else user_object(workspace, each) for each in value]
        if kind == "relation":
            return [{"id": each} for each in value if workspace.find(each) is not None]
        if kind == "files":
            return [signed(each) for each in value]
        if kind == "verification" and value["verified_by"]:
            return {**value, "verified_by": user_object(workspace, value["verified_by"])}
        return value


def _property_object(workspace: Workspace, page: Page, definition: Json) -> Json:
    kind = definition["type"]
    value = property_values(workspace, page, definition)
    if kind == "relation":
        more = len(value) > REFERENCE_LIMIT
        return {
            "id": definition["id"],
            "type": kind,
            kind: value[:REFERENCE_LIMIT],
            "has_more": more,
        }
    if kind == "people":
        value = value[:REFERENCE_LIMIT]
    elif kind in ("title", "rich_text"):
        value = _first_mentions(value)
    return {"id": definition["id"], "type": kind, kind: value}


def _schema(workspace: Workspace, page: Page) -> dict[str, Json]:
    if isinstance(page.parent, DataSource):
        return _visible_schema(workspace, page.parent)
    return _PAGE_SCHEMA


def _visible_schema(workspace: Workspace, source: DataSource) -> dict[str, Json]:
    if not workspace.unshared:
        return source.properties
    return {
        name: definition
        for name, definition in source.properties.items()
        if definition["type"] != "relation" or workspace.find(definition["relation"]["data_source_id"])
    }


def _first_mentions(items: list[Json]) -> list[Json]:
    """Return rich text without the page and user mentions beyond the limit of the page object."""
    if len(items) <= REFERENCE_LIMIT:
        return items
    kept, mentions = [], 0
    for item in items:
        mentions += item["type"] == "mention" and item["mention"]["type"] in ("page", "user")
        if item["type"] != "mention" or mentions <= REFERENCE_LIMIT:
            kept.append(item)
    return kept
