"""The endpoints: what Notion's API answers to a request, given a workspace.

`ROUTES` is the table of contents. A handler takes the workspace and a `Call` and returns the body of the answer, or
raises `Refusal` with one of the API's errors.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import unquote
from zlib import crc32

from fake_notion.blocks import block_object
from fake_notion.entries import Block, Database, DataSource, Entry, Page, block_payload, synced_from
from fake_notion.markdown import page_markdown
from fake_notion.messages import Answer, Refusal, Request, error, new_request_id
from fake_notion.objects import (
    comment_object,
    data_source_object,
    database_object,
    page_object,
    property_definition,
    property_values,
)
from fake_notion.values import Json, parse_time
from fake_notion.workspace import Workspace

VERSIONS = ("2025-09-03", "2026-03-11")
BEFORE_DATA_SOURCES = "2022-06-28"
MAX_PAGE_SIZE = 100
CLIENT_ID = "sample-client"
CLIENT_SECRET = "sample-secret"

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[1-8][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}", re.IGNORECASE)
_CURSOR = re.compile(r"([0-9a-f]{8})-0000-8000-8000-([0-9a-f]{12})")
_LISTED_ITEMS = frozenset({"title", "rich_text", "people", "relation"})

_MISSING = object()

_Item = TypeVar("_Item")


# Errors


def validation_error(message: str) -> Refusal:
    """Return a 400 that says what is wrong with the request."""
    return Refusal(error(400, "validation_error", message))


def not_found(workspace: Workspace, kind: str, object_id: str) -> Refusal:
    """Return the 404 for an object that does not exist or is not shared with the connection."""
    bot = workspace.user(workspace.bot_id) or {}
    if kind == "user":
        advice = (
            "Make sure your integration has capabilities to read user information. With those capabilities, only "
            "members and guests in the integration's workspace are visible."
        )
    else:
        advice = f'Make sure the relevant pages and databases are shared with your integration "{bot.get("name")}".'
    message = f"Could not find {kind} with ID: {object_id}. {advice}"
    return Refusal(error(404, "object_not_found", message, {"integration_id": workspace.bot_id}))


# A call and its parameters


@dataclass
class Call:
    """A request on its way to its handler.

    Attributes:
        workspace: what to answer from.
        request: the request.
        ids: the ids in the path, in order.
        parameters: the query's parameters, or the body's members for a POST.
        place: `query` or `body`, for messages.
    """

    workspace: Workspace
    request: Request
    ids: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    place: str = "query"

    def fail(self, name: str, expectation: str) -> Refusal:
        """Return a 400 that says what the parameter `name` should be."""
        value: Any = self.parameters
        for part in name.split("."):
            value = value.get(part, _MISSING) if isinstance(value, dict) else _MISSING
        shown = "`undefined`" if value is _MISSING else f"`{json.dumps(value)}`"
        place = self.place
        return validation_error(
            f"{place} failed validation: {place}.{name} should be {expectation}, instead was {shown}."
        )

    def text(self, name: str) -> str | None:
        """Return a parameter that is text, or None without it."""
        value = self.parameters.get(name, _MISSING)
        if value is _MISSING:
            return None
        if not isinstance(value, str):
            raise self.fail(name, "a string or `undefined`")
        return value

    def texts(self, name: str) -> list[str]:
        """Return the values of a parameter of the query that may be repeated, with or without `[]`."""
        values: list[str] = []
        for key in (name, name + "[]"):
            value = self.request.query.get(key, [])
            values += value if isinstance(value, list) else [value]
        return values

    def object_id(self, name: str) -> str | None:
        """Return a parameter that is an id, hyphenated, or None without it."""
        value = self.text(name)
        if value is not None and not _UUID.fullmatch(value):
            raise self.fail(name, "a valid uuid")
        return None if value is None else hyphenated(value)

    def page_size(self) -> int:
        """Return how many results are wanted at once."""
        value = self.parameters.get("page_size", MAX_PAGE_SIZE)
        if self.place == "query" and isinstance(value, str) and value.isdigit():
            value = self.parameters["page_size"] = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail("page_size", "a number or `undefined`")
        if value > MAX_PAGE_SIZE:
            raise self.fail("page_size", f"≤ `{MAX_PAGE_SIZE}`")
        if value < 1:
            raise self.fail("page_size", "≥ `1`")
        return min(value, self.workspace.max_page_size)

    def paged(self, kind: str, items: Sequence[_Item], render: Callable[[_Item], Any]) -> Json:
        """Return the page of `items` that the request asks for, as a list of the API.

        Args:
            kind: the list's type, such as `block`.
            items: the whole listing as it is now; a cursor is a position in it.
            render: makes an item the object to answer.
        """
        listing = f"{crc32(self.request.path.encode()):08x}"
        cursor = self.text("start_cursor")
        start = 0
        if cursor is not None:
            match = _CURSOR.fullmatch(cursor)
            if match is None or match[1] != listing:
                raise validation_error(f"The start_cursor provided is invalid: {cursor}")
            start = int(match[2], 16)
        end = start + self.page_size()
        more = end < len(items)
        return {
            "object": "list",
            "results": [render(item) for item in items[start:end]],
            "next_cursor": f"{listing}-0000-8000-8000-{end:012x}" if more else None,
            "has_more": more,
            "type": kind,
            kind: {},
        }


def hyphenated(object_id: str) -> str:
    """Return an id in the form in which the API answers it."""
    digits = object_id.replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _found(call: Call, kind: str, *wanted: type[Entry]) -> Any:
    """Return the entry whose id stands first in the path, or raise the 404 of its `kind`."""
    entry = call.workspace.find(call.ids[0])
    if kind == "page" and isinstance(entry, Database):
        raise validation_error(f"Provided ID {call.ids[0]} is a database, not a page.")
    if kind == "database" and isinstance(entry, Page):
        raise validation_error(f"Provided ID {call.ids[0]} is a page, not a database.")
    if not isinstance(entry, wanted):
        raise not_found(call.workspace, kind, call.ids[0])
    return entry


# Users


def list_users(call: Call) -> Json:
    """GET /v1/users."""
    return call.paged("user", call.workspace.users(), dict)


def get_me(call: Call) -> Json:
    """GET /v1/users/me."""
    return dict(call.workspace.user(call.workspace.bot_id) or {})


def get_user(call: Call) -> Json:
    """GET /v1/users/{id}."""
    user = call.workspace.user(call.ids[0])
    if user is None:
        raise not_found(call.workspace, "user", call.ids[0])
    return dict(user)


# Search


def search(call: Call) -> Json:
    """POST /v1/search."""
    workspace = call.workspace
    chosen = call.parameters.get("filter", {})
    if not isinstance(chosen, dict) or not set(chosen) <= {"property", "value", "in_trash"}:
        raise call.fail("filter", "a valid filter or `undefined`")
    if "value" in chosen or "property" in chosen:
        if chosen.get("property") != "object":
            raise call.fail("filter.property", '`"object"`')
        if chosen.get("value") not in ("page", "data_source"):
            raise call.fail("filter.value", '`"page"` or `"data_source"`')
    in_trash = chosen.get("in_trash", False)
    if not isinstance(in_trash, bool):
        raise call.fail("filter.in_trash", "a boolean or `undefined`")
    entries = workspace.search(chosen.get("value"), in_trash, call.text("query") or "", _search_ascends(call))
    return call.paged("page_or_data_source", entries, partial(_page_or_data_source, workspace))


def _search_ascends(call: Call) -> bool:
    sort = call.parameters.get("sort", {"property": "relevance"})
    if sort == {"property": "relevance"}:
        return False
    if not isinstance(sort, dict) or not set(sort) <= {"timestamp", "direction"}:
        raise call.fail("sort", "a valid sort or `undefined`")
    if sort.get("timestamp") != "last_edited_time":
        raise call.fail("sort.timestamp", '`"last_edited_time"`')
    if sort.get("direction") not in ("ascending", "descending"):
        raise call.fail("sort.direction", '`"ascending"` or `"descending"`')
    return bool(sort["direction"] == "ascending")


def _page_or_data_source(workspace: Workspace, entry: Page | DataSource) -> Json:
    return page_object(workspace, entry) if isinstance(entry, Page) else data_source_object(workspace, entry)


# Pages


def get_page(call: Call) -> Json:
    """GET /v1/pages/{id}."""
    page: Page = _found(call, "page", Page)
    return _filtered(page_object(call.workspace, page), call.texts("filter_properties"))


def _filtered(page: Json, wanted: Sequence[str]) -> Json:
    """Return a page object with only the properties that are `wanted` by id or name; with all if none is."""
    if not wanted or page["object"] != "page":
        return page
    ids = {unquote(each) for each in wanted}
    kept = {
        name: value
        for name, value in page["properties"].items()
        if name in wanted or value["id"] in wanted or unquote(value["id"]) in ids
    }
    return {**page, "properties": kept}


def get_property_item(call: Call) -> Json:
    """GET /v1/pages/{id}/properties/{property_id}."""
    workspace = call.workspace
    page: Page = _found(call, "page", Page)
    definition = property_definition(workspace, page, unquote(call.ids[1]))
    if definition is None:
        raise not_found(workspace, "property", call.ids[1])
    kind, property_id = definition["type"], definition["id"]
    value = property_values(workspace, page, definition)
    if kind not in _LISTED_ITEMS and kind != "rollup":
        return {"object": "property_item", "type": kind, "id": property_id, kind: value}

    def item(each: Any) -> Json:
        if kind == "rollup":
            return {"object": "property_item", "id": property_id, **each}
        return {"object": "property_item", "type": kind, "id": property_id, kind: each}

    items = value if kind != "rollup" else value["array"] if value["type"] == "array" else []
    answer = call.paged("property_item", items, item)
    summary: Any = {}
    if kind == "rollup":
        summary = {**value, "array": []} if value["type"] == "array" else value
        if answer["has_more"]:
            summary = {"type": "incomplete", "incomplete": {}, "function": value["function"]}
    next_url = f"https://api.notion.com{call.request.path}?start_cursor={answer['next_cursor']}"
    answer["property_item"] = {
        "id": property_id,
        "next_url": next_url if answer["has_more"] else None,
        "type": kind,
        kind: summary,
    }
    return answer


def get_markdown(call: Call) -> Json:
    """GET /v1/pages/{id}/markdown, of a page or block."""
    version = call.text("markdown_version")
    if version is not None and version not in call.workspace.markdown_versions:
        expected = " or ".join(f'`"{each}"`' for each in sorted(call.workspace.markdown_versions))
        raise call.fail("markdown_version", expected or "not present")
    entry = _found(call, "page", Page, Block)
    return page_markdown(call.workspace, entry, version or "v1")


# Blocks


def get_block(call: Call) -> Json:
    """GET /v1/blocks/{id}."""
    return block_object(_found(call, "block", Page, Block, Database))


def list_children(call: Call) -> Json:
    """GET /v1/blocks/{id}/children."""
    workspace = call.workspace
    entry = _found(call, "block", Page, Block, Database)
    if workspace.is_deleted(entry):
        raise not_found(workspace, "block", call.ids[0])
    if isinstance(entry, Block):
        if entry.type == "unsupported":
            kind = block_payload(entry)["block_type"]
            raise validation_error(f"Block type {kind} is not supported via the API.")
        if entry.type == "ai_block" or entry.id in workspace.unsupported_children:
            raise validation_error("Block type ai_block is not supported via the API for your bot type.")
        if synced_from(entry) is not None:
            raise not_found(workspace, "block", call.ids[0])
    return call.paged("block", workspace.listed_children(entry), block_object)


# Databases and data sources


def get_database(call: Call) -> Json:
    """GET /v1/databases/{id}."""
    workspace, database_id = call.workspace, call.ids[0]
    if database_id in workspace.linked_databases and workspace.find(database_id) is not None:
        raise validation_error(
            f"Database with ID {database_id} is a linked database. Database retrievals do not support linked databases."
        )
    answer = database_object(workspace, _found(call, "database", Database))
    if not answer["data_sources"]:
        raise validation_error(
            f"Database with ID {database_id} does not contain any data sources accessible by this API bot."
        )
    return answer


def get_data_source(call: Call) -> Json:
    """GET /v1/data_sources/{id}."""
    return data_source_object(call.workspace, _found(call, "data_source", DataSource))


def list_templates(call: Call) -> Json:
    """GET /v1/data_sources/{id}/templates: no data source of the stand-in has any."""
    _found(call, "data_source", DataSource)
    return {"templates": [], "has_more": False, "next_cursor": None}


def query_data_source(call: Call) -> Json:
    """POST /v1/data_sources/{id}/query."""
    workspace, parameters = call.workspace, call.parameters
    source: DataSource = _found(call, "data_source", DataSource)
    condition = parameters.get("filter")
    result_type = call.text("result_type")
    if result_type not in (None, "page", "data_source"):
        raise call.fail("result_type", '`"page"`, `"data_source"` or `undefined`')
    wanted = {"page": Page, "data_source": DataSource}.get(result_type or "")
    sorts = _query_sorts(call)

    def matches(entry: Page | DataSource) -> bool:
        return (wanted is None or isinstance(entry, wanted)) and (condition is None or _meets(entry, condition))

    key = (json.dumps(condition), result_type, tuple(sorts))
    if condition is not None:
        _check_filter(condition)
    rows = workspace.query(source, key, matches, sorts)
    incomplete = len(rows) > workspace.query_limit
    only = call.texts("filter_properties")
    answer = call.paged(
        "page_or_data_source",
        rows[: workspace.query_limit] if incomplete else rows,
        lambda entry: _filtered(_page_or_data_source(workspace, entry), only),
    )
    if incomplete:
        answer["request_status"] = {
            "type": "incomplete",
            "incomplete_reason": "query_result_limit_reached",
        }
    return answer


def _query_sorts(call: Call) -> list[tuple[str, bool]]:
    sorts = call.parameters.get("sorts", [])
    if not isinstance(sorts, list):
        raise call.fail("sorts", "an array or `undefined`")
    parsed = []
    for sort in sorts:
        timestamp, direction = sort.get("timestamp"), sort.get("direction")
        known = timestamp in ("created_time", "last_edited_time") and direction in (
            "ascending",
            "descending",
        )
        if not known or len(sort) != 2:
            raise call.fail("sorts", "sorts by timestamp, which are all that the stand-in knows")
        parsed.append((timestamp, direction == "ascending"))
    return parsed


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda time, bound: time == bound,
    "before": lambda time, bound: time < bound,
    "after": lambda time, bound: time > bound,
    "on_or_before": lambda time, bound: time <= bound,
    "on_or_after": lambda time, bound: time >= bound,
}


def _check_filter(condition: Any, level: int = 0) -> None:
    """Raise a 400 unless `condition` is a filter that `_meets` understands, at most two levels of and/or deep."""
    compound = isinstance(condition, dict) and next((key for key in ("and", "or") if key in condition), None)
    if compound and level < 2 and isinstance(condition[compound], list) and len(condition) == 1:
        for each in condition[compound]:
            _check_filter(each, level + 1)
        return
    timestamp = condition.get("timestamp") if isinstance(condition, dict) else None
    bounds = condition.get(timestamp) if timestamp in ("created_time", "last_edited_time") else None
    if isinstance(bounds, dict) and len(condition) == 2 and len(bounds) == 1 and set(bounds) <= set(_COMPARISONS):
        try:
            parse_time(next(iter(bounds.values())))
            return
        except (TypeError, ValueError, AttributeError):
            pass
    raise validation_error(
        "body failed validation: body.filter should be a filter by timestamp, which is all that the stand-in knows, "
        f"instead was `{json.dumps(condition)}`."
    )


def _meets(entry: Page | DataSource, condition: Json) -> bool:
    if "and" in condition:
        return all(_meets(entry, each) for each in condition["and"])
    if "or" in condition:
        return any(_meets(entry, each) for each in condition["or"])
    timestamp = condition["timestamp"]
    ((operator, bound),) = condition[timestamp].items()
    time = getattr(entry, timestamp)
    if len(bound) == len("2026-01-01"):
        return _COMPARISONS[operator](time[: len(bound)], bound)
    return _COMPARISONS[operator](time, parse_time(bound).isoformat(timespec="milliseconds").replace("+00:00", "Z"))


# Comments


def list_comments(call: Call) -> Json:
    """GET /v1/comments: the comments on a page or block itself."""
    workspace = call.workspace
    target_id = call.object_id("block_id")
    if target_id is None:
        raise call.fail("block_id", "defined")
    target = workspace.find(target_id)
    if not isinstance(target, (Page, Block)) or workspace.is_deleted(target):
        raise not_found(workspace, "block", target_id)
    return call.paged("comment", workspace.comments_of(target), partial(comment_object, workspace))


def get_comment(call: Call) -> Json:
    """GET /v1/comments/{id}."""
    comment = call.workspace.comment(call.ids[0])
    if comment is None:
        raise not_found(call.workspace, "comment", call.ids[0])
    return comment_object(call.workspace, comment)


# Emojis, uploads and views


def list_custom_emojis(call: Call) -> Json:
    """GET /v1/custom_emojis. Its list has no member of its type's name."""
    answer = call.paged("custom_emoji", call.workspace.custom_emojis(call.text("name")), dict)
    del answer["custom_emoji"]
    return answer


def list_file_uploads(call: Call) -> Json:
    """GET /v1/file_uploads."""
    return call.paged("file_upload", call.workspace.file_uploads(call.text("status")), dict)


def get_file_upload(call: Call) -> Json:
    """GET /v1/file_uploads/{id}."""
    upload = call.workspace.file_upload(call.ids[0])
    if upload is None:
        raise not_found(call.workspace, "file upload", call.ids[0])
    return dict(upload)


def list_views(call: Call) -> Json:
    """GET /v1/views: stubs of the views of a database or data source."""
    database_id, source_id = call.object_id("database_id"), call.object_id("data_source_id")
    parent_id = database_id or source_id
    if parent_id is None:
        raise call.fail("database_id", "defined")
    if call.workspace.find(parent_id) is None:
        raise not_found(call.workspace, "database" if database_id else "data_source", parent_id)
    views = call.workspace.views(database_id, source_id)
    return call.paged("view", views, lambda view: {"object": "view", "id": view["id"]})


def get_view(call: Call) -> Json:
    """GET /v1/views/{id}."""
    view = call.workspace.view(call.ids[0])
    if view is None or call.workspace.find(view["parent"]["database_id"]) is None:
        raise not_found(call.workspace, "view", call.ids[0])
    return dict(view)


# Routes


@dataclass(frozen=True)
class Route:
    """An endpoint: its handler, the parameters that it accepts and the capability that it needs."""

    handler: Callable[[Call], Json]
    parameters: frozenset[str] = frozenset()
    capability: str | None = "read_content"
    query_parameters: frozenset[str] = frozenset()


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


_PAGED = _names("start_cursor", "page_size")
_FILTER = _names("filter_properties", "filter_properties[]")

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/v1/users"): Route(list_users, _PAGED, "read_users"),
    ("GET", "/v1/users/me"): Route(get_me, capability=None),
    ("GET", "/v1/users/{id}"): Route(get_user, capability="read_users"),
    ("POST", "/v1/search"): Route(search, _PAGED | {"query", "sort", "filter"}),
    ("GET", "/v1/pages/{id}"): Route(get_page, _FILTER),
    ("GET", "/v1/pages/{id}/properties/{property_id}"): Route(get_property_item, _PAGED),
    ("GET", "/v1/pages/{id}/markdown"): Route(get_markdown, _names("include_transcript", "markdown_version")),
    ("GET", "/v1/blocks/{id}"): Route(get_block),
    ("GET", "/v1/blocks/{id}/children"): Route(list_children, _PAGED),
    ("GET", "/v1/databases/{id}"): Route(get_database),
    ("GET", "/v1/data_sources/{id}"): Route(get_data_source),
    ("GET", "/v1/data_sources/{id}/templates"): Route(list_templates, _PAGED | {"name"}),
    ("POST", "/v1/data_sources/{id}/query"): Route(
        query_data_source, _PAGED | {"filter", "sorts", "result_type"}, query_parameters=_FILTER
    ),
    ("GET", "/v1/comments"): Route(list_comments, _PAGED | {"block_id"}, "read_comments"),
    ("GET", "/v1/comments/{id}"): Route(get_comment, capability="read_comments"),
    ("GET", "/v1/custom_emojis"): Route(list_custom_emojis, _PAGED | {"name"}),
    ("GET", "/v1/file_uploads"): Route(list_file_uploads, _PAGED | {"status"}, None),
    ("GET", "/v1/file_uploads/{id}"): Route(get_file_upload, capability=None),
    ("GET", "/v1/views"): Route(list_views, _PAGED | {"database_id", "data_source_id"}),
    ("GET", "/v1/views/{id}"): Route(get_view),
}
TOKEN_ENDPOINT = ("POST", "/v1/oauth/token")


def endpoint(path: str) -> tuple[str, list[str]]:
    """Return a path's template, such as `/v1/blocks/{id}/children`, and the ids in it."""
    parts = path.split("/")
    if len(parts) < 4 or path in ("/v1/users/me", "/v1/oauth/token"):
        return path, []
    ids = [parts[3]]
    parts[3] = "{id}"
    if len(parts) == 6 and parts[4] == "properties":
        ids.append(parts[5])
        parts[5] = "{property_id}"
    return "/".join(parts), ids


# The API


class NotionApi:
    """Answers requests from a workspace.

    Attributes:
        workspace: what it answers from.
        access_token: the token that is valid now; a refresh replaces it, and it may be set from outside.
        refresh_token: the refresh token that is valid now.
    """

    def __init__(self, workspace: Workspace, access_token: str, refresh_token: str) -> None:
        """Answer from `workspace` whoever brings `access_token`; `refresh_token` obtains the next one."""
        self.workspace = workspace
        self.access_token = access_token
        self.refresh_token = refresh_token
        self._refreshes = 0
        self._token_lock = Lock()

    def authorizes(self, authorization: str | None) -> bool:
        """Return whether an `Authorization` header is valid: a bearer token, or a client's id and secret."""
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                return b64decode(secret, validate=True).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"
            except (Base64Error, UnicodeDecodeError):
                return False
        return scheme.lower() == "bearer" and secret == self.access_token

    def answer(self, request: Request, raw_body: bytes) -> Answer:
        """Return the answer to a request.

        Args:
            request: the request, with `authorization` already judged and `body` set if it could be read.
            raw_body: the body as it was sent.
        """
        template, ids = endpoint(request.path)
        try:
            if (request.method, template) == TOKEN_ENDPOINT:
                return self._token(request)
            return self._answer(request, template, ids, raw_body)
        except Refusal as refusal:
            return refusal.answer

    def _answer(self, request: Request, template: str, ids: list[str], raw_body: bytes) -> Answer:
        if request.headers.get("authorization") != "valid":
            raise Refusal(error(401, "unauthorized", "API token is invalid."))
        version = request.headers.get("notion-version")
        old = version == BEFORE_DATA_SOURCES
        if version not in VERSIONS and not old:
            raise _wrong_version(version)
        route = ROUTES.get((request.method, template))
        if old and template.startswith("/v1/data_sources"):
            route = None
        if route is None:
            raise Refusal(error(400, "invalid_request_url", "Invalid request URL."))
        call = Call(self.workspace, request, _path_ids(template, ids))
        if request.method == "GET":
            call.parameters = dict(request.query)
            _check_names(call, route.parameters)
        else:
            call.parameters = dict(request.query)
            _check_names(call, route.query_parameters)
            if raw_body and request.body is None:
                raise Refusal(error(400, "invalid_json", "Error parsing JSON body."))
            call.parameters, call.place = request.body or {}, "body"
            _check_names(call, route.parameters)
        if route.capability and route.capability not in self.workspace.capabilities:
            raise Refusal(error(403, "restricted_resource", "Insufficient permissions for this endpoint."))
        if old and template == "/v1/search":
            _search_for_databases(call)
        with self.workspace.lock:
            body = route.handler(call)
            if old:
                body = _at_2022_06_28(self.workspace, body)
        if version != VERSIONS[-1]:
            body = _at_2025_09_03(body)
        body["request_id"] = new_request_id()
        return Answer(200, body)

    def _token(self, request: Request) -> Answer:
        """POST /v1/oauth/token: exchange the refresh token; both tokens from before stop working."""
        if request.headers.get("authorization") != "valid":
            return Answer(401, {"error": "invalid_client", "request_id": new_request_id()})
        body = request.body
        if body is None or body.get("grant_type") != "refresh_token":
            return Answer(400, {"error": "invalid_request", "request_id": new_request_id()})
        with self._token_lock:
            if body.get("refresh_token") != self.refresh_token:
                reason = "The refresh token is invalid or has been used."
                return Answer(
                    400,
                    {
                        "error": "invalid_grant",
                        "error_description": reason,
                        "request_id": new_request_id(),
                    },
                )
            self._refreshes += 1
            self.access_token = f"ntn_sample_{self._refreshes}"
            self.refresh_token = f"nrt_sample_{self._refreshes}"
            return Answer(
                200,
                {
                    "access_token": self.access_token,
                    "token_type": "bearer",
                    "refresh_token": self.refresh_token,
                    "bot_id": self.workspace.bot_id,
                    "workspace_icon": None,
                    "workspace_name": self.workspace.name,
                    "workspace_id": self.workspace.id,
                    "owner": {"type": "workspace", "workspace": True},
                    "duplicated_template_id": None,
                    "request_id": new_request_id(),
                },
            )


def _wrong_version(version: str | None) -> Refusal:
    shown = "`undefined`" if version is None else f'`"{version}"`'
    expected = "defined" if version is None else " or ".join(f'`"{each}"`' for each in VERSIONS)
    code = "missing_version" if version is None else "validation_error"
    message = (
        f"Notion-Version header failed validation: Notion-Version header should be {expected}, instead was {shown}."
    )
    return Refusal(error(400, code, message))


def _path_ids(template: str, ids: list[str]) -> list[str]:
    """Return the ids of a path, the first one hyphenated, or raise the 400 for one that is not a UUID."""
    if not ids:
        return ids
    if not _UUID.fullmatch(ids[0]):
        name = template.split("/")[2].removesuffix("s") + "_id"
        raise validation_error(
            f"path failed validation: path.{name} should be a valid uuid, instead was `{json.dumps(ids[0])}`."
        )
    return [hyphenated(ids[0]), *ids[1:]]


def _check_names(call: Call, known: frozenset[str]) -> None:
    for name in call.parameters:
        if name not in known:
            shown = f"`{json.dumps(call.parameters[name])}`"
            place = call.place
            raise validation_error(
                f"{place} failed validation: {place}.{name} should be not present, instead was {shown}."
            )


def _at_2025_09_03(body: Json) -> Json:
    """Return a body as the version before answered it: with `archived`, and `transcription` for meeting notes."""
    if body["object"] == "list":
        return {**body, "results": [_at_2025_09_03(each) for each in body["results"]]}
    if body["object"] not in ("page", "block", "database", "data_source"):
        return body
    if body.get("type") == "meeting_notes":
        body = {("transcription" if key == "meeting_notes" else key): value for key, value in body.items()}
        body["type"] = "transcription"
    return {**body, "archived": body["in_trash"]}


# Version 2022-06-28, which the benchmark's other connector speaks: databases, and no data sources


def _search_for_databases(call: Call) -> None:
    """Let a search name databases, which are data sources in what the workspace searches."""
    chosen = call.parameters.get("filter")
    if not isinstance(chosen, dict):
        return
    if chosen.get("value") == "data_source":
        raise call.fail("filter.value", '`"page"` or `"database"`')
    if chosen.get("value") == "database":
        call.parameters = {**call.parameters, "filter": {**chosen, "value": "data_source"}}


def _at_2022_06_28(workspace: Workspace, body: Json) -> Json:
    """Return a body with a database for each data source, and rows whose parent is the database."""
    if body["object"] == "list":
        body = {**body, "results": [_at_2022_06_28(workspace, each) for each in body["results"]]}
        if body["type"] == "page_or_data_source":
            del body["page_or_data_source"]
            body |= {"type": "page_or_database", "page_or_database": {}}
        return body
    if body["object"] == "page" and body["parent"]["type"] == "data_source_id":
        database_id = body["parent"]["database_id"]
        return {**body, "parent": {"type": "database_id", "database_id": database_id}}
    if body["object"] == "data_source":
        body = {**body, "id": body["parent"]["database_id"], "parent": body["database_parent"]}
        del body["database_parent"]
        return {**body, "object": "database"}
    if body["object"] == "database":
        source = workspace.find(body["data_sources"][0]["id"])
        body = {key: value for key, value in body.items() if key != "data_sources"}
        return {**body, "properties": getattr(source, "properties", {})}
    return body
