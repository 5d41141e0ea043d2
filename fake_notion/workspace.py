"""A Notion workspace in memory: what the stand-in of the API answers from, and the truth that tests compare with.

Build one by hand (`add_page`, `add_block`, `add_database` ...), load one from a file (`Workspace.load`) or make a
large one (`Workspace.generate`). Ids and default times follow from the seed and the order of the calls, so that two
runs of the same program give the same workspace. Only the `edit_` and `trash_` methods change the last edited time of
something that exists.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from itertools import cycle
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from fake_notion.blocks import block_object, partial_user
from fake_notion.entries import (
    Block,
    Comment,
    Database,
    DataSource,
    Entry,
    Page,
    block_content,
    block_payload,
    synced_from,
)
from fake_notion.values import (
    Json,
    RichText,
    Time,
    date,
    exact,
    minute,
    object_url,
    plain_text,
    rich_text,
)

FIRST_TIME = datetime(2026, 1, 5, 9, 0, tzinfo=timezone.utc)
COLORS = ("gray", "blue", "green", "orange", "purple", "red", "yellow", "pink", "brown", "default")

_Entry = TypeVar("_Entry", bound=Entry)


class PlacedBlock(NamedTuple):
    """A block as the connector should deliver it.

    Attributes:
        block: the block object of the API.
        depth: 0 for the blocks directly on the page, one more for each level below.
        sequence_number: its place among all siblings that the API lists, from 0.
        parent_id: the id of the page or block that lists it.
    """

    block: Json
    depth: int
    sequence_number: int
    parent_id: str


class Workspace:
    """A workspace and what its connection may see of it.

    Attributes to set from outside:
        capabilities: what the connection may do: any of `read_content`, `read_comments` and `read_users`.
        unshared: ids of pages, databases and blocks that answer 404. What a page contains in blocks, and a
            database in data sources and rows, goes with it; pages and databases below an unshared page do not.
        unsearchable: ids of pages and data sources that /v1/search leaves out.
        linked_databases: ids of `child_database` blocks that are linked views of a database elsewhere.
        unsupported_children: ids of blocks whose children call answers 400.
        query_limit: how many results a data source query yields before it says `incomplete`.
        max_page_size: no list holds more results at once; Notion's is 100, a smaller one forces pagination.
        markdown_limit: how many blocks a page's markdown renders before it says `truncated`.
        markdown_versions: the versions of markdown that a request may ask for; if there are none, it may not ask.
        bot_id: the id of the connection's own user, which /v1/users/me answers.
        lock: hold it to change several things as one; every method takes it by itself.
    """

    def __init__(self, name: str = "Sample workspace", seed: int = 0, bot_name: str = "Sample connection") -> None:
        """Start an empty workspace.

        Args:
            name: the workspace's name.
            seed: ids follow from it.
            bot_name: the name of the connection's own user.
        """
        self.name = name
        self.seed = seed
        self.capabilities = {"read_content", "read_comments", "read_users"}
        self.unshared: set[str] = set()
        self.unsearchable: set[str] = set()
        self.linked_databases: set[str] = set()
        self.unsupported_children: set[str] = set()
        self.query_limit = 10_000
        self.max_page_size = 100
        self.markdown_limit = 20_000
        self.markdown_versions = {"v1", "v2"}
        self.lock = RLock()
        self._last_id = 0
        self._ticks = 0
        self._edits = 0
        self._version = 0
        self._top: list[Entry] = []
        self._entries: dict[str, Entry] = {}
        self._users: dict[str, Json] = {}
        self._guests: set[str] = set()
        self._comments: dict[str, Comment] = {}
        self._comments_of: dict[str, list[Comment]] = {}
        self._custom_emojis: list[Json] = []
        self._file_uploads: dict[str, Json] = {}
        self._views: dict[str, Json] = {}
        self._by_edit: list[Page | DataSource] = []
        self._by_edit_is_sorted = True
        self._listings: dict[Any, tuple[Any, list[Any]]] = {}
        self.id = self._new_id()
        self.bot_id = ""
        self.bot_id = self.add_user(bot_name, type="bot", owner={"type": "workspace", "workspace": True})

    # Users, emojis, uploads, views

    def add_user(
        self,
        name: str | None,
        *,
        type: str = "person",
        email: str | None = None,
        avatar_url: str | None = None,
        owner: Json | None = None,
        guest: bool = False,
        id: str | None = None,
    ) -> str:
        """Add a user and return its id.

        Args:
            name: the user's name.
            type: `person` or `bot`.
            email: a person's address.
            avatar_url: the address of the user's picture.
            owner: who a bot belongs to, `{"type": "workspace", "workspace": True}` or
                `{"type": "user", "user": {...}}`; without one the bot's details stay empty.
            guest: guests are left out of /v1/users.
            id: the user's id; a new one when left out.
        """
        with self.lock:
            user: Json = {
                "object": "user",
                "id": id or self._new_id(),
                "name": name,
                "avatar_url": avatar_url,
            }
            user["type"] = type
            if type == "person":
                user["person"] = {"email": email} if email else {}
            else:
                user["bot"] = self._bot_details(owner) if owner else {}
            self._users[user["id"]] = user
            if guest:
                self._guests.add(user["id"])
            self._version += 1
            return str(user["id"])

    def _bot_details(self, owner: Json) -> Json:
        return {
            "owner": owner,
            "workspace_name": self.name,
            "workspace_id": self.id,
            "workspace_limits": {"max_file_upload_size_in_bytes": 5_242_880},
        }

    def add_custom_emoji(self, name: str, url: str) -> Json:
        """Add a custom emoji and return it, `{id, name, url}`."""
        with self.lock:
            emoji = {"id": self._new_id(), "name": name, "url": url}
            self._custom_emojis.append(emoji)
            return emoji

    def add_file_upload(
        self,
        filename: str,
        content_type: str,
        content_length: int | None = None,
        *,
        status: str = "uploaded",
        time: Time = None,
        created_by: str | None = None,
        **fields: Any,
    ) -> str:
        """Add a file upload and return its id.

        Args:
            filename: the file's name.
            content_type: its media type.
            content_length: its size in bytes.
            status: `pending`, `uploaded`, `expired` or `failed`.
            time: when it was made; the workspace's clock when left out.
            created_by: the id of its author; the connection's bot when left out.
            fields: further fields of the object, such as `number_of_parts`.
        """
        with self.lock:
            upload_id = self._new_id()
            created_time = self._time(time)
            author = self._users[created_by or self.bot_id]
            upload: Json = {
                "object": "file_upload",
                "id": upload_id,
                "created_time": created_time,
                "created_by": {"id": author["id"], "type": author["type"]},
                "last_edited_time": created_time,
                "expiry_time": minute(datetime.fromisoformat(created_time[:16]) + timedelta(hours=1)),
            }
            if status == "pending":
                upload["upload_url"] = f"https://api.notion.com/v1/file_uploads/{upload_id}/send"
            self._file_uploads[upload_id] = {
                **upload,
                "in_trash": False,
                "status": status,
                "filename": filename,
                "content_type": content_type,
                "content_length": content_length,
                **fields,
            }
            return upload_id

    def add_view(
        self,
        database_id: str,
        name: str,
        type: str = "table",
        *,
        data_source_id: str | None = None,
        time: Time = None,
        **fields: Any,
    ) -> str:
        """Add a view of a database and return its id.

        Args:
            database_id: the database that shows the view.
            name: the view's name.
            type: `table`, `board`, `calendar` ...
            data_source_id: what it shows; a dashboard has none.
            time: when it was made; the workspace's clock when left out.
            fields: further fields of the object, such as `filter` and `sorts`.
        """
        with self.lock:
            view_id = self._new_id()
            created_time = self._time(time)
            self._views[view_id] = {
                "object": "view",
                "id": view_id,
                "parent": {"type": "database_id", "database_id": database_id},
                "name": name,
                "type": type,
                "created_time": created_time,
                "last_edited_time": created_time,
                "url": f"{object_url(database_id)}?v={view_id.replace('-', '')}",
                "data_source_id": data_source_id,
                "created_by": partial_user(self.bot_id),
                "last_edited_by": partial_user(self.bot_id),
                **fields,
            }
            return view_id

    # Pages and blocks

    def add_page(
        self,
        parent: str | None = None,
        title: RichText = "",
        *,
        properties: dict[str, Any] | None = None,
        icon: Json | None = None,
        cover: Json | None = None,
        is_archived: bool = False,
        is_locked: bool = False,
        public_url: str | None = None,
        created_time: Time = None,
        last_edited_time: Time = None,
        created_by: str | None = None,
        last_edited_by: str | None = None,
        id: str | None = None,
    ) -> str:
        """Add a page and return its id. Under a page or block it appears there as a `child_page` block.

        Args:
            parent: the id of a page, block or data source; none for a page of the workspace itself.
            title: the page's title.
            properties: the values of a row, see `add_row`.
            icon: an icon from `fake_notion.values`.
            cover: a file from `fake_notion.values`.
            is_archived: whether the page is archived, which is not the trash.
            is_locked: whether the page is locked.
            public_url: the address of a published page.
            created_time: when it was made; the workspace's clock when left out, a minute later for each page.
            last_edited_time: when it was edited last; its created time when left out.
            created_by: the id of its author; the connection's bot when left out.
            last_edited_by: the id of its last editor; its author when left out.
            id: its id; a new one when left out.
        """
        with self.lock:
            created_time = minute(created_time) if created_time else self._tick()
            page = Page(
                id=id or self._new_id(),
                parent=None if parent is None else self._entry(parent),
                title=title,
                icon=icon,
                cover=cover,
                is_archived=is_archived,
                is_locked=is_locked,
                public_url=public_url,
                created_time=created_time,
                last_edited_time=minute(last_edited_time) if last_edited_time else created_time,
                created_by=created_by or self.bot_id,
                last_edited_by=last_edited_by or created_by or self.bot_id,
            )
            self._place(page)
            if isinstance(page.parent, DataSource):
                self._number(page)
            self._set_properties(page, properties or {})
            return page.id

    def add_row(self, data_source_id: str, values: dict[str, Any] | None = None, **page: Any) -> str:
        """Add a row to a data source and return its page id.

        Args:
            data_source_id: the data source.
            values: the values by property name. Text stands for titles and rich text, an option's name for selects
                and statuses, a list of names for multi-selects, `"2026-03-01"` or `date(...)` for dates, lists of
                ids for people (or group objects) and relations, lists of files with a `name` for files. A formula
                or rollup takes its result: a number, text, boolean, date or list, or the object of the API. The
                other end of a two-way relation is filled in; unique ids are counted.
            page: further arguments of `add_page`.
        """
        return self.add_page(data_source_id, properties=values, **page)

    def add_block(
        self,
        parent_id: str,
        type: str = "paragraph",
        text: RichText | None = None,
        children: Iterable[Json] = (),
        *,
        id: str | None = None,
        created_time: Time = None,
        last_edited_time: Time = None,
        created_by: str | None = None,
        last_edited_by: str | None = None,
        **payload: Any,
    ) -> str:
        """Add a block at the end of a page or block and return its id.

        Args:
            parent_id: the page or block.
            type: the block's type.
            text: its rich text, for the types that have one.
            children: blocks to add below it, each described by `fake_notion.entries.block`.
            id: its id; a new one when left out.
            created_time, last_edited_time, created_by, last_edited_by: those of the parent when left out.
            payload: the other fields of its payload, see `fake_notion.entries.block_content`.
        """
        with self.lock:
            parent = self._entry(parent_id)
            new = Block(
                id=id or self._new_id(),
                parent=parent,
                type=type,
                content=block_content(type, text, payload),
                created_time=minute(created_time) if created_time else parent.created_time,
                last_edited_time=minute(last_edited_time) if last_edited_time else parent.last_edited_time,
                created_by=created_by or parent.created_by,
                last_edited_by=last_edited_by or created_by or parent.last_edited_by,
            )
            self._place(new)
            ids = [self.add_block(new.id, **child) for child in children]
            if type == "meeting_notes" and ids:
                sections = ("summary_block_id", "notes_block_id", "transcript_block_id")
                new.content = {
                    **block_payload(new),
                    "children": dict(zip(sections, ids, strict=False)),
                }
            return new.id

    def edit_page(
        self,
        page_id: str,
        time: Time = None,
        *,
        title: RichText | None = None,
        properties: dict[str, Any] | None = None,
        by: str | None = None,
    ) -> None:
        """Edit a page: change its title or values when given, and in any case its last edited time.

        Args:
            page_id: the page.
            time: the new last edited time; now when left out.
            title: a new title.
            properties: new values of a row, see `add_row`.
            by: the id of the editor; the same as before when left out.
        """
        with self.lock:
            page = self._expect(page_id, Page)
            if title is not None:
                page.title = title
            self._set_properties(page, properties or {})
            self._touch(page, time, by)

    def edit_block(self, block_id: str, text: RichText | None = None, time: Time = None, **payload: Any) -> None:
        """Edit a block and with it the page that contains it.

        Args:
            block_id: the block.
            text: new rich text.
            time: the new last edited time of block and page; now when left out.
            payload: other fields of its payload to change.
        """
        with self.lock:
            edited = self._expect(block_id, Block)
            changes = block_content(edited.type, text, payload) if text is not None or payload else {}
            if isinstance(changes, str):
                changes = {"rich_text": rich_text(changes)}
            changed = {key: value for key, value in changes.items() if key in payload or key == "rich_text"}
            if changed:
                edited.content = {**block_payload(edited), **changed}
            edited.last_edited_time = minute(time)
            self._touch(self._page_of(edited), time, None)

    def delete_block(self, block_id: str, time: Time = None) -> None:
        """Move a block to the trash: it leaves its parent's children, and what is below it answers 404.

        Args:
            block_id: the block; a page's or database's id is as good, see `trash_page`.
            time: the new last edited time of the page that contains it; unchanged when left out.
        """
        with self.lock:
            entry = self._entry(block_id)
            if not isinstance(entry, Block):
                return self.trash_page(block_id, time)
            entry.in_trash = True
            self._version += 1
            if time is not None:
                self._touch(self._page_of(entry), time, None)

    def trash_page(self, page_id: str, time: Time = None) -> None:
        """Move a page or database to the trash, with the pages and databases below it.

        Args:
            page_id: the page or database.
            time: its new last edited time; unchanged when left out.
        """
        with self.lock:
            entry = self._entry(page_id)
            below = [entry]
            while below:
                each = below.pop()
                if not isinstance(each, Block):
                    each.in_trash = True
                below.extend(_contents(each))
            self._version += 1
            if time is not None and isinstance(entry, Page):
                self._touch(entry, time, None)

    # Databases

    def add_database(
        self,
        parent: str | None,
        title: RichText,
        *,
        description: RichText = "",
        icon: Json | None = None,
        cover: Json | None = None,
        is_inline: bool = False,
        is_locked: bool = False,
        public_url: str | None = None,
        created_time: Time = None,
        last_edited_time: Time = None,
        created_by: str | None = None,
        last_edited_by: str | None = None,
        id: str | None = None,
    ) -> str:
        """Add a database, as yet without data sources, and return its id.

        Args:
            parent: the id of a page or block, where it appears as a `child_database` block; of a data source, a
                wiki, whose query then lists this database's data sources; none for the workspace itself.
            title: its title.
            description: its description.
            is_inline: whether it is shown within its page.
            icon, cover, is_locked, public_url, created_time, last_edited_time, created_by, last_edited_by, id: as
                for `add_page`, but databases carry their times to the millisecond.
        """
        with self.lock:
            created = exact(created_time or self._tick())
            database = Database(
                id=id or self._new_id(),
                parent=None if parent is None else self._entry(parent),
                title=title,
                description=description,
                icon=icon,
                cover=cover,
                is_inline=is_inline,
                is_locked=is_locked,
                public_url=public_url,
                created_time=created,
                last_edited_time=exact(last_edited_time) if last_edited_time else created,
                created_by=created_by or self.bot_id,
                last_edited_by=last_edited_by or created_by or self.bot_id,
            )
            self._place(database)
            return database.id

    def add_linked_database(self, parent_id: str, title: str = "Untitled") -> str:
        """Add a linked view of a database: a `child_database` block whose database cannot be retrieved."""
        with self.lock:
            block_id = self.add_block(parent_id, "child_database", title=title)
            self.linked_databases.add(block_id)
            return block_id

    def add_data_source(
        self,
        database_id: str,
        title: RichText | None = None,
        properties: dict[str, str | Json] | None = None,
        *,
        description: RichText = "",
        icon: Json | None = None,
        cover: Json | None = None,
        created_time: Time = None,
        last_edited_time: Time = None,
        created_by: str | None = None,
        last_edited_by: str | None = None,
        id: str | None = None,
    ) -> str:
        """Add a data source to a database and return its id.

        Args:
            database_id: the database.
            title: its title; the database's when left out.
            properties: its schema by property name, see `add_property`; a title property `Name` when left out.
            description, icon, cover, created_time, last_edited_time, created_by, last_edited_by, id: as for
                `add_page`; the times and authors are the database's when left out.
        """
        with self.lock:
            database = self._expect(database_id, Database)
            created = minute(created_time or database.created_time)
            edited = last_edited_time or created_time or database.last_edited_time
            data_source = DataSource(
                id=id or self._new_id(),
                parent=database,
                title=database.title if title is None else title,
                description=description,
                icon=icon,
                cover=cover,
                created_time=created,
                last_edited_time=minute(edited),
                created_by=created_by or database.created_by,
                last_edited_by=last_edited_by or created_by or database.last_edited_by,
            )
            self._place(data_source)
            for name, definition in (properties or {"Name": "title"}).items():
                self.add_property(data_source.id, name, definition)
            return data_source.id

    def add_property(self, data_source_id: str, name: str, definition: str | Json) -> str:
        """Add a property to the schema of a data source and return its id.

        Args:
            data_source_id: the data source.
            name: the property's name.
            definition: its type, or an object with its `type` and what that type needs: `options`, a list of names
                or a dict of name to color, for selects; `groups`, a dict of group to names of options, for a status;
                `format` for a number; `expression` for a formula; `prefix` for a unique id; `data_source_id` for a
                relation, with `synced_property` for the name of its other end, which is added there, too;
                `relation`, `property` and `function` for a rollup. `description` and `id` may be set.
        """
        with self.lock:
            source = self._expect(data_source_id, DataSource)
            given: Json = {"type": definition} if isinstance(definition, str) else dict(definition)
            kind = given.pop("type")
            property_id = given.pop("id", None) or ("title" if kind == "title" else self._property_id())
            source.properties[name] = {
                "id": property_id,
                "name": name,
                "description": given.pop("description", None),
                "type": kind,
                kind: {},
            }
            source.properties[name][kind] = self._configuration(source, name, kind, given)
            self._version += 1
            return str(property_id)

    def edit_data_source(self, data_source_id: str, time: Time = None, *, title: RichText | None = None) -> None:
        """Edit a data source: its title when given, and in any case its last edited time (now when left out)."""
        with self.lock:
            source = self._expect(data_source_id, DataSource)
            if title is not None:
                source.title = title
            self._touch(source, time, None)

    def _configuration(self, source: DataSource, name: str, kind: str, given: Json) -> Json:
        """Return what stands below `type` in a property of the schema, from what a caller of `add_property` wrote."""
        if kind in ("select", "multi_select", "status"):
            options = self._options(given.get("options", ()))
            if kind != "status":
                return {"options": options}
            by_name = {option["name"]: option["id"] for option in options}
            colors = zip(given.get("groups", {}).items(), cycle(("gray", "blue", "green")), strict=False)
            groups = [
                {
                    "id": self._new_id(),
                    "name": group,
                    "color": color,
                    "option_ids": [by_name[each] for each in names],
                }
                for (group, names), color in colors
            ]
            return {"options": options, "groups": groups}
        if kind == "number":
            return {"format": given.get("format", "number")}
        if kind == "formula":
            return {"expression": given["expression"]}
        if kind == "unique_id":
            return {"prefix": given.get("prefix")}
        if kind == "relation":
            target = self._expect(given["data_source_id"], DataSource)
            relation = {"database_id": target.parent.id, "data_source_id": target.id}
            if "synced_property" not in given:
                return {**relation, "type": "single_property", "single_property": {}}
            synced_id = self._synced_property(source, name, target, given["synced_property"])
            return {**relation, **_dual_property(given["synced_property"], synced_id)}
        if kind == "rollup":
            relation_property = source.properties[given["relation"]]
            target = self._expect(relation_property["relation"]["data_source_id"], DataSource)
            return {
                "rollup_property_name": given["property"],
                "relation_property_name": given["relation"],
                "rollup_property_id": target.properties[given["property"]]["id"],
                "relation_property_id": relation_property["id"],
                "function": given.get("function", "show_original"),
            }
        return {}

    def _synced_property(self, source: DataSource, name: str, target: DataSource, synced_name: str) -> str:
        """Add the other end of a two-way relation to its target, and return the id of that property."""
        relation = {"database_id": source.parent.id, "data_source_id": source.id}
        synced_id = self._property_id()
        target.properties[synced_name] = {
            "id": synced_id,
            "name": synced_name,
            "description": None,
            "type": "relation",
            "relation": {**relation, **_dual_property(name, source.properties[name]["id"])},
        }
        return synced_id

    def _options(self, options: Iterable[str] | dict[str, str]) -> list[Json]:
        colors = options if isinstance(options, dict) else dict(zip(options, cycle(COLORS), strict=False))
        return [
            {"id": self._new_id(), "name": name, "color": color, "description": None} for name, color in colors.items()
        ]

    def _property_id(self) -> str:
        """Return a new property id: four characters, of which Notion percent-encodes some."""
        digest = blake2b(self._new_id().encode(), digest_size=4).digest()
        return quote("".join(chr(33 + byte % 94) for byte in digest), safe="-_.!~*'()")

    # Comments

    def add_comment(
        self,
        page_or_block_id: str,
        text: RichText,
        time: Time = None,
        *,
        created_by: str | None = None,
        discussion_id: str | None = None,
        last_edited_time: Time = None,
        display_name: Json | None = None,
        attachments: Sequence[Json] = (),
        id: str | None = None,
    ) -> str:
        """Add a comment and return its id.

        Args:
            page_or_block_id: what it comments on.
            text: its rich text.
            time: when it was made; the workspace's clock when left out.
            created_by: the id of its author; the connection's bot when left out.
            discussion_id: the discussion that it continues; a new one when left out.
            last_edited_time: when it was edited; `time` when left out.
            display_name: `{"type": "custom", "resolved_name": ...}`; the author's name when left out.
            attachments: `{"category": "image", "file": hosted_file(...)}`.
            id: its id; a new one when left out.
        """
        with self.lock:
            created_time = self._time(time)
            comment = Comment(
                id=id or self._new_id(),
                parent=self._entry(page_or_block_id),
                discussion_id=discussion_id or self._new_id(),
                created_time=created_time,
                last_edited_time=minute(last_edited_time) if last_edited_time else created_time,
                created_by=created_by or self.bot_id,
                text=text,
                display_name=display_name,
                attachments=list(attachments),
            )
            self._keep_comment(comment)
            return comment.id

    def _keep_comment(self, comment: Comment) -> None:
        self._comments[comment.id] = comment
        self._comments_of.setdefault(comment.parent.id, []).append(comment)

    # What the stand-in asks

    def find(self, object_id: str) -> Entry | None:
        """Return the page, block, database or data source with this id if the connection may see it."""
        with self.lock:
            entry = self._entries.get(object_id)
            return entry if entry is not None and self.is_shared(entry) else None

    def is_deleted(self, entry: Entry) -> bool:
        """Return whether a block, or a block around it, is in the trash."""
        while isinstance(entry, Block):
            if entry.in_trash:
                return True
            entry = entry.parent
        return False

    def listed_children(self, entry: Page | Block | Database) -> list[Any]:
        """Return the children that the API lists below a page or block, in the order of the document."""
        with self.lock:
            unshared = self.unshared
            return [child for child in entry.children if not child.in_trash and child.id not in unshared]

    def search(self, object_type: str | None, in_trash: bool, query: str, ascending: bool) -> list[Page | DataSource]:
        """Return what /v1/search lists, in its order.

        Args:
            object_type: `page`, `data_source` or none for both.
            in_trash: whether to list what is in the trash instead of what is not.
            query: text that the title contains, in any case.
            ascending: the earliest edit first; otherwise the latest.
        """

        def build() -> list[Page | DataSource]:
            wanted = {"page": Page, "data_source": DataSource}.get(object_type or "", (Page, DataSource))
            text = query.casefold()
            found = [
                entry
                for entry in self._sorted_by_edit()
                if entry.in_trash == in_trash
                and isinstance(entry, wanted)
                and entry.id not in self.unsearchable
                and self.is_shared(entry)
                and text in plain_text(entry.title).casefold()
            ]
            return found if ascending else found[::-1]

        return self._listing(("search", object_type, in_trash, query, ascending), build)

    def query(
        self,
        source: DataSource,
        key: Any,
        matches: Callable[[Page | DataSource], bool],
        sorts: Sequence[tuple[str, bool]],
    ) -> list[Page | DataSource]:
        """Return what a data source query lists, in its order and without its limit.

        Args:
            source: the data source.
            key: what tells this filter and these sorts from others, to reuse the result for the next page of it.
            matches: the filter.
            sorts: pairs of `created_time` or `last_edited_time` and whether it ascends; the first counts most.
        """

        def build() -> list[Page | DataSource]:
            found = [each for each in _rows(source) if not each.in_trash and self.is_shared(each) and matches(each)]
            for name, ascending in reversed(sorts):
                order = _edit_place if name == "last_edited_time" else _creation_place
                found.sort(key=order, reverse=not ascending)
            return found

        return self._listing(("query", source.id, key), build)

    def _listing(self, key: Any, build: Callable[[], list[Any]]) -> list[Any]:
        """Return `build()`, or what it returned before if nothing has changed since."""
        with self.lock:
            state = (self._version, self.unshared, self.unsearchable)
            known = self._listings.get(key)
            if known is not None and known[0] == state:
                return known[1]
            if len(self._listings) >= 100:
                self._listings.clear()
            listing = build()
            self._listings[key] = (
                (self._version, set(self.unshared), set(self.unsearchable)),
                listing,
            )
            return listing

    def _sorted_by_edit(self) -> list[Page | DataSource]:
        """Return all pages and data sources, the earliest edit first. Sorting again after a few edits is cheap."""
        if not self._by_edit_is_sorted:
            self._by_edit.sort(key=_edit_place)
            self._by_edit_is_sorted = True
        return self._by_edit

    def users(self) -> list[Json]:
        """Return the users that /v1/users lists: all but the guests."""
        with self.lock:
            return [user for user in self._users.values() if user["id"] not in self._guests]

    def user(self, user_id: str) -> Json | None:
        """Return a user object with all its details, guests' too."""
        return self._users.get(user_id)

    def comments_of(self, entry: Entry) -> list[Comment]:
        """Return the comments on a page or block itself, the earliest first."""
        with self.lock:
            return sorted(self._comments_of.get(entry.id, ()), key=lambda comment: comment.created_time)

    def comment(self, comment_id: str) -> Comment | None:
        """Return a comment if the connection may see what it comments on."""
        with self.lock:
            comment = self._comments.get(comment_id)
            return comment if comment is not None and self.is_shared(comment.parent) else None

    def custom_emojis(self, name: str | None = None) -> list[Json]:
        """Return the custom emojis, or those of one name."""
        with self.lock:
            return [emoji for emoji in self._custom_emojis if name in (None, emoji["name"])]

    def file_uploads(self, status: str | None = None) -> list[Json]:
        """Return the file uploads, or those of one status, the latest first."""
        with self.lock:
            found = [upload for upload in self._file_uploads.values() if status in (None, upload["status"])]
            return sorted(found, key=lambda upload: str(upload["created_time"]), reverse=True)

    def file_upload(self, upload_id: str) -> Json | None:
        """Return a file upload."""
        return self._file_uploads.get(upload_id)

    def views(self, database_id: str | None = None, data_source_id: str | None = None) -> list[Json]:
        """Return the views of a database or of a data source."""
        with self.lock:
            return [
                view
                for view in self._views.values()
                if database_id in (None, view["parent"]["database_id"])
                and data_source_id in (None, view["data_source_id"])
            ]

    def view(self, view_id: str) -> Json | None:
        """Return a view."""
        return self._views.get(view_id)

    # The truth for tests

    def page_ids(self) -> list[str]:
        """Return the ids of all pages, rows too, that the connection may see and that are not in the trash."""
        return [page.id for page in self._visible(Page)]

    def data_source_ids(self) -> list[str]:
        """Return the ids of all data sources that the connection may see and that are not in the trash."""
        return [source.id for source in self._visible(DataSource)]

    def database_ids(self) -> list[str]:
        """Return the ids of all databases that the connection may see and that are not in the trash."""
        return [database.id for database in self._visible(Database)]

    def comment_ids(self) -> list[str]:
        """Return the ids of all comments on pages and blocks that the connection may see and that are not deleted."""
        with self.lock:
            return [
                comment.id
                for comment in self._comments.values()
                if self.is_shared(comment.parent)
                and not self.is_deleted(comment.parent)
                and not self._page_of(comment.parent).in_trash
            ]

    def blocks_of(self, page_id: str) -> list[PlacedBlock]:
        """Return a page's blocks as the connector should deliver them, in the order of the document.

        Subpages, databases and AI blocks are left out. Unsupported blocks, synced copies and blocks whose children
        cannot be called are there, but nothing below them.
        """
        with self.lock:
            page = self._expect(page_id, Page)
            placed: list[PlacedBlock] = []
            levels: list[tuple[str, Iterator[tuple[int, Any]]]] = [(page.id, enumerate(self.listed_children(page)))]
            while levels:
                parent_id, siblings = levels[-1]
                sequence_number, entry = next(siblings, (0, None))
                if entry is None:
                    levels.pop()
                elif isinstance(entry, Block) and entry.type not in ("child_database", "ai_block"):
                    placed.append(PlacedBlock(block_object(entry), len(levels) - 1, sequence_number, parent_id))
                    if self._is_walked(entry):
                        levels.append((entry.id, enumerate(self.listed_children(entry))))
            return placed

    def _is_walked(self, entry: Block) -> bool:
        return entry.type != "unsupported" and entry.id not in self.unsupported_children and synced_from(entry) is None

    def _visible(self, kind: type[_Entry]) -> list[_Entry]:
        with self.lock:
            return [
                entry
                for entry in self._entries.values()
                if isinstance(entry, kind) and not entry.in_trash and self.is_shared(entry)
            ]

    # Keeping entries

    def _place(self, entry: Entry) -> None:
        """Put a new entry into the index and below its parent."""
        self._entries[entry.id] = entry
        parent = entry.parent
        if isinstance(parent, (Page, Block)):
            if not parent.children:
                parent.children = []
            parent.children.append(entry)  # type: ignore[attr-defined]
        elif isinstance(parent, DataSource):
            parent.rows.append(entry)
        elif isinstance(parent, Database):
            parent.data_sources.append(entry)  # type: ignore[arg-type]
        else:
            self._top.append(entry)
        if isinstance(entry, (Page, DataSource)):
            self._edits += 1
            entry.edit_order = self._edits
            self._by_edit.append(entry)
            self._by_edit_is_sorted = False
        self._version += 1

    def _touch(self, entry: Page | DataSource, time: Time, by: str | None) -> None:
        """Give an entry a new last edited time, now when left out, and its place in the search index."""
        entry.last_edited_time = minute(time)
        entry.last_edited_by = by or entry.last_edited_by
        self._edits += 1
        entry.edit_order = self._edits
        self._by_edit_is_sorted = False
        self._version += 1

    def _set_properties(self, page: Page, values: dict[str, Any]) -> None:
        if not values:
            return
        schema = page.parent.properties
        for name, value in values.items():
            definition = schema[name]
            if definition["type"] == "title":
                page.title = value
                continue
            page.properties[name] = self._stored_value(definition, value)
            synced = definition["type"] == "relation" and definition["relation"].get("dual_property")
            for target_id in value if synced else ():
                others = self._expect(target_id, Page).properties.setdefault(synced["synced_property_name"], [])
                if page.id not in others:
                    others.append(page.id)

    def _stored_value(self, definition: Json, value: Any) -> Any:
        """Return the value of a property as it is kept, from what a caller of `add_row` wrote."""
        kind = definition["type"]
        if kind == "rich_text":
            return rich_text(value)
        if kind in ("select", "status"):
            return value and self._option(definition, value)
        if kind == "multi_select":
            return [self._option(definition, each) for each in value]
        if kind == "date":
            return date(value) if isinstance(value, str) else value
        if kind in ("people", "relation", "files"):
            return list(value)
        if kind == "formula":
            return _typed_result(value)
        if kind == "rollup":
            return {**_typed_result(value), "function": definition["rollup"]["function"]}
        return value

    def _option(self, definition: Json, name: str) -> Json:
        options = definition[definition["type"]]["options"]
        return next({key: each[key] for key in ("id", "name", "color")} for each in options if each["name"] == name)

    def _number(self, page: Page) -> None:
        """Give a new row its unique id, if its data source has such a property."""
        for name, definition in page.parent.properties.items():
            if definition["type"] == "unique_id":
                page.parent.last_unique_id += 1
                prefix = definition["unique_id"]["prefix"]
                page.properties[name] = {"prefix": prefix, "number": page.parent.last_unique_id}

    def is_shared(self, entry: Entry | None) -> bool:
        if not self.unshared:
            return True
        while entry is not None:
            if entry.id in self.unshared:
                return False
            if isinstance(entry, Database) or (isinstance(entry, Page) and not isinstance(entry.parent, DataSource)):
                return True
            entry = entry.parent
        return True

    def _page_of(self, entry: Entry) -> Page:
        """Return the page that contains a block, or the page itself."""
        while not isinstance(entry, Page):
            entry = entry.parent
        return entry

    def _entry(self, object_id: str) -> Any:
        return self._entries[object_id]

    def _expect(self, object_id: str, kind: type[_Entry]) -> _Entry:
        entry = self._entries[object_id]
        if not isinstance(entry, kind):
            raise TypeError(f"{object_id} is a {type(entry).__name__}, not a {kind.__name__}")
        return entry

    def _new_id(self) -> str:
        """Return the next id, in the form of a UUID of version 8 as Notion's are."""
        self._last_id += 1
        digest = blake2b(f"{self.seed}:{self._last_id}".encode(), digest_size=16).hexdigest()
        variant = "89ab"[int(digest[16], 16) % 4]
        return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:]}"

    def _tick(self) -> str:
        """Return the workspace's clock, which goes a minute further on each call."""
        self._ticks += 1
        return minute(FIRST_TIME + timedelta(minutes=self._ticks))

    def _time(self, time: Time) -> str:
        return minute(time) if time else self._tick()

    # Files and large workspaces

    @classmethod
    def load(cls, path: str | Path) -> Workspace:
        """Return the workspace of a JSON file, as `sample_workspace.json`."""
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        workspace = cls(content["name"], content["seed"])
        workspace.id = content["id"]
        workspace.bot_id = content["bot_id"]
        workspace.query_limit = content["query_limit"]
        workspace.max_page_size = content["max_page_size"]
        workspace.markdown_limit = content["markdown_limit"]
        for name in _ID_SETS:
            setattr(workspace, name, set(content[name]))
        workspace._users = {user["id"]: user for user in content["users"]}
        workspace._guests = set(content["guests"])
        workspace._custom_emojis = content["custom_emojis"]
        workspace._file_uploads = {upload["id"]: upload for upload in content["file_uploads"]}
        workspace._views = {view["id"]: view for view in content["views"]}
        for written in content["content"]:
            workspace._read(None, written)
        for comment in content["comments"]:
            workspace._keep_comment(Comment(**{**comment, "parent": workspace._entry(comment["parent"])}))
        workspace._last_id = content["last_id"]
        workspace._ticks = content["ticks"]
        return workspace

    def _read(self, parent: Entry | None, written: Json) -> None:
        """Place an entry of the file, and all that it contains."""
        kind = _KINDS[written["object"]]
        fields = {key: value for key, value in written.items() if key not in ("object", "children")}
        if parent is not None:
            fields = {**{name: getattr(parent, name) for name in _INHERITED}, **fields}
        entry: Entry = kind(parent=parent, **fields)
        self._place(entry)
        for child in written.get("children", ()):
            self._read(entry, child)


def _edit_place(entry: Page | DataSource) -> tuple[str, int]:
    return entry.last_edited_time, entry.edit_order


def _creation_place(entry: Page | DataSource) -> str:
    return entry.created_time


def _dual_property(name: str, property_id: str) -> Json:
    return {
        "type": "dual_property",
        "dual_property": {"synced_property_name": name, "synced_property_id": property_id},
    }


def _typed_result(value: Any) -> Json:
    """Return the result of a formula or rollup with its type; an object that has one already comes back as it is."""
    if isinstance(value, dict) and "type" in value:
        return value
    if isinstance(value, dict):
        return {"type": "date", "date": value}
    if isinstance(value, bool):
        return {"type": "boolean", "boolean": value}
    if isinstance(value, (int, float)):
        return {"type": "number", "number": value}
    if isinstance(value, list):
        return {"type": "array", "array": value}
    return {"type": "string", "string": value}


def _rows(source: DataSource) -> Iterator[Page | DataSource]:
    """Yield the pages of a data source, and the data sources of the databases in a wiki."""
    for row in source.rows:
        if isinstance(row, Database):
            yield from row.data_sources
        else:
            yield row


def _contents(entry: Entry) -> Sequence[Any]:
    """Return what lies directly below an entry."""
    if isinstance(entry, Database):
        return entry.data_sources
    if isinstance(entry, DataSource):
        return entry.rows
    return entry.children  # type: ignore[attr-defined]


# The file format

_ID_SETS = ("capabilities", "unshared", "unsearchable", "linked_databases", "unsupported_children")
_KINDS: dict[str, Any] = {
    "page": Page,
    "block": Block,
    "database": Database,
    "data_source": DataSource,
}
_INHERITED = ("created_time", "last_edited_time", "created_by", "last_edited_by")
