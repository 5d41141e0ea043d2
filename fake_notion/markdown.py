"""A page as markdown, in the manner of GET /v1/pages/{id}/markdown.

The stand-in renders what a reader of the endpoint has to cope with: nesting by tabs, tags for what markdown lacks,
`<unknown>` for what the API does not render or show, and truncation. It is plausible, not Notion's own renderer.

Here is version v1, https://developers.notion.com/guides/data-apis/enhanced-markdown; `markdown_v2.py` writes the next.
"""

from __future__ import annotations

import re

from fake_notion.blocks import block_object
from fake_notion.entries import Block, Database, Page, synced_from
from fake_notion.markdown_v2 import LITERAL, MarkdownV2, literal
from fake_notion.values import Json, object_url
from fake_notion.workspace import Workspace

_PREFIXES = {
    "heading_1": "# ",
    "heading_2": "## ",
    "heading_3": "### ",
    "heading_4": "#### ",
    "bulleted_list_item": "- ",
    "numbered_list_item": "1. ",
    "quote": "> ",
}
_CONTAINERS = {
    "column_list": "columns",
    "column": "column",
    "synced_block": "synced_block",
    "tab": "tabs",
}
_MEDIA = {"video": "video", "audio": "audio", "pdf": "pdf", "file": "file"}
_UNRENDERED = frozenset({"bookmark", "embed", "link_preview", "unsupported", "ai_block", "template"})
_MAX_LEVEL = 100
_MARKS = (("code", "`"), ("bold", "**"), ("italic", "*"), ("strikethrough", "~~"))


def page_markdown(workspace: Workspace, entry: Page | Block, version: str) -> Json:
    """Return the `page_markdown` object of a page, or of a block and what is below it, in a version of markdown."""
    writer: _Writer | MarkdownV2
    if version == "v2":
        writer = MarkdownV2(workspace)
        markdown = writer.children_of(entry) if isinstance(entry, Page) else writer.block(entry, 0)
    else:
        writer = _Writer(workspace)
        if isinstance(entry, Page):
            writer.write_children(entry, 0)
        else:
            writer.write(entry, 0)
        markdown = "\n".join(writer.lines)
    return {
        "object": "page_markdown",
        "id": entry.id,
        "markdown": markdown,
        "truncated": bool(writer.unknown_ids),
        "unknown_block_ids": writer.unknown_ids,
    }


def inline(items: list[Json]) -> str:
    """Return rich text as markdown."""
    return "".join(_inline_item(item) for item in items)


def escaped(text: str) -> str:
    """Return text with the escapes that v1 has outside of code."""
    return re.sub(r"[\\*~`$\[\]<>{}|^]", r"\\\g<0>", text).replace("\n", "<br>")


def _inline_item(item: Json) -> str:
    text = str(item["plain_text"])
    if item["type"] == "equation":
        text = f"$`{text}`$"
    elif item["type"] == "mention":
        text = _mention(item)
    else:
        text = text if item["annotations"]["code"] else escaped(text)
        for name, mark in _MARKS:
            if item["annotations"][name]:
                text = f"{mark}{text}{mark}"
        if item["href"]:
            text = f"[{text}]({item['href']})"
    color = item["annotations"]["color"]
    if item["annotations"]["underline"]:
        text = f'<span underline="true">{text}</span>'
    return text if color == "default" else f'<span color="{color}">{text}</span>'


def _mention(item: Json) -> str:
    kind = item["mention"]["type"]
    text = escaped(item["plain_text"])
    if kind == "user":
        return f'<mention-user url="user://{item["mention"]["user"]["id"]}">{text.removeprefix("@")}</mention-user>'
    if kind in ("page", "database"):
        return f'<mention-{kind} url="{item["href"]}">{text}</mention-{kind}>'
    if kind == "date":
        end = item["mention"]["date"]["end"]
        return f'<mention-date start="{item["mention"]["date"]["start"]}"' + (f' end="{end}"/>' if end else "/>")
    return f"[{text}]({item['href']})" if item["href"] else str(text)


class _Writer:
    """Collects the lines of a page, and the ids of the blocks that it could not render."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.lines: list[str] = []
        self.unknown_ids: list[str] = []
        self.blocks = 0

    def write_children(self, entry: Page | Block, level: int) -> None:
        """Write the blocks below `entry`, indented by `level` tabs; what is not shared stays unknown."""
        for child in entry.children:
            if child.in_trash:
                continue
            full = self.blocks >= self.workspace.markdown_limit or level >= _MAX_LEVEL
            if full or self.workspace.find(child.id) is None:
                self._write_unknown(child.id, "", level)
                self.unknown_ids.append(child.id)
            else:
                self.write(child, level)

    def write(self, entry: Page | Block | Database, level: int) -> None:
        """Write a block and what is below it."""
        self.blocks += 1
        if isinstance(entry, (Page, Database)):
            tag = "page" if isinstance(entry, Page) else "database"
            title = block_object(entry)[entry.type]["title"]
            self._line(f'<{tag} url="{object_url(entry.id)}">{escaped(title)}</{tag}>', level)
            return
        content = block_object(entry)[entry.type]
        kind = entry.type
        text = inline(content.get("rich_text", ())) + _attributes(content)
        if kind in _UNRENDERED:
            self._write_unknown(entry.id, content.get("block_type", kind), level)
        elif kind in _PREFIXES:
            self._line(_PREFIXES[kind] + text, level)
            self.write_children(entry, level + 1)
        elif kind == "to_do":
            self._line(f"- [{'x' if content['checked'] else ' '}] {text}", level)
            self.write_children(entry, level + 1)
        elif kind == "toggle":
            self._line(f"<details>\n<summary>{text}</summary>", level)
            self.write_children(entry, level + 1)
            self._line("</details>", level)
        elif kind == "callout":
            icon = (content.get("icon") or {}).get("emoji", "")
            self._write_within(f'callout icon="{icon}"', text, entry, level)
        elif kind == "table":
            self._write_table(entry, level)
        elif kind in _CONTAINERS:
            self._write_container(entry, level)
        elif kind == "meeting_notes":
            self._write_within("meeting-notes", inline(content.get("title", ())), entry, level)
        else:
            self._line(_single(kind, content, text), level)
            self.write_children(entry, level + 1)

    def _write_container(self, entry: Block, level: int) -> None:
        original_id = synced_from(entry)
        if original_id is None:
            self._write_within(_CONTAINERS[entry.type], "", entry, level)
            return
        original = self.workspace.find(original_id)
        if not isinstance(original, Block):
            self._write_unknown(entry.id, "", level)
            self.unknown_ids.append(entry.id)
            return
        self._write_within(f'synced_block_reference url="{object_url(original_id)}"', "", original, level)

    def _write_table(self, entry: Block, level: int) -> None:
        self._line("<table>", level)
        for row in self.workspace.listed_children(entry):
            self.blocks += 1
            cells = block_object(row)["table_row"]["cells"]
            self._line("\n".join(["<tr>", *(f"<td>{inline(cell)}</td>" for cell in cells), "</tr>"]), level)
        self._line("</table>", level)

    def _write_within(self, tag: str, text: str, entry: Block, level: int) -> None:
        self._line(f"<{tag}>", level)
        if text:
            self._line(text, level + 1)
        self.write_children(entry, level + 1)
        self._line(f"</{tag.split()[0]}>", level)

    def _write_unknown(self, block_id: str, kind: str, level: int) -> None:
        self._line(f'<unknown url="{object_url(block_id)}" alt="{kind}"/>', level)

    def _line(self, text: str, level: int) -> None:
        self.lines.extend("\t" * level + line if line else "" for line in text.split("\n"))


def _attributes(content: Json) -> str:
    """Return the attributes that stand after the first line of a block."""
    attributes = ['toggle="true"'] if content.get("is_toggleable") else []
    if content.get("color", "default") != "default":
        attributes.append(f'color="{content["color"]}"')
    return " {" + " ".join(attributes) + "}" if attributes else ""


def _single(kind: str, content: Json, text: str) -> str:
    """Return the markdown of a block that is one piece of text."""
    if kind in LITERAL:
        return literal(kind, content)
    if kind == "image":
        return f"![{inline(content['caption'])}]({content[content['type']]['url']})"
    if kind in _MEDIA:
        return f'<{_MEDIA[kind]} src="{content[content["type"]]["url"]}">{inline(content["caption"])}</{_MEDIA[kind]}>'
    if kind == "link_to_page":
        return f'<mention-page url="{object_url(content[content["type"]])}"/>'
    if kind in ("table_of_contents", "breadcrumb"):
        return f"<{kind}/>"
    return text
