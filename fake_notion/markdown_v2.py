"""A page in version v2 of Notion's markdown.

Blocks are apart by a blank line, and what has children or a color is a tag:
https://developers.notion.com/guides/data-apis/notion-flavored-markdown
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape as with_entities
from typing import Any

from fake_notion.blocks import block_object
from fake_notion.entries import Block, Database, Page, synced_from
from fake_notion.values import Json, object_url
from fake_notion.workspace import Workspace

# Blocks of one piece of text: the mark that begins them, and the tag that they are if they have children or a color.
_TEXTS = {
    "paragraph": ("", "p"),
    "heading_1": ("# ", "h1"),
    "heading_2": ("## ", "h2"),
    "heading_3": ("### ", "h3"),
    "heading_4": ("#### ", "h4"),
    "quote": ("> ", "quote"),
    "toggle": (None, "toggle"),
    "callout": (None, "callout"),
    "meeting_notes": (None, "meeting-notes"),
}
_LISTS = {"bulleted_list_item": ("- ", "ul"), "numbered_list_item": ("1. ", "ol")}
_CONTAINERS = {"column_list": "columns", "column": "column", "synced_block": "synced-block", "tab": "tabs"}
_MEDIA = {"video", "audio", "pdf", "file", "bookmark", "embed"}
_UNRENDERED = frozenset({"link_preview", "unsupported", "ai_block", "template"})
_MARKS = (("bold", "**", "b"), ("italic", "*", "i"), ("strikethrough", "~~", "s"))
_MAX_LEVEL = 100


# Blocks that both versions write in the same way.
LITERAL = ("code", "equation", "divider")


def literal(kind: str, content: Json) -> str:
    """Return the markdown of such a block; the fence of code is longer than any in it."""
    if kind == "code":
        code = "".join(item["plain_text"] for item in content["rich_text"])
        fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", code))])
        return f"{fence}{content['language']}\n{code}\n{fence}"
    return f"$$\n{content['expression']}\n$$" if kind == "equation" else "---"


def escaped(text: str) -> str:
    """Return text with a backslash before all that could be a mark, and at the end of each line but the last."""
    text = re.sub(r"[\\`*_~$\[\]<>|&:{}^]", r"\\\g<0>", text)
    text = re.sub(r"(?m)^(\s*)([#+=-])", r"\1\\\2", text)
    return re.sub(r"(?m)^(\s*\d+)([.)])", r"\1\\\2", text).replace("\n", "\\\n")


def inline(items: Sequence[Json], line_break: str = "\\\n") -> str:
    """Return rich text as markdown."""
    return "".join(_inline_item(item) for item in items).replace("\\\n", line_break)


def _inline_item(item: Json) -> str:
    text, annotations = str(item["plain_text"]), item["annotations"]
    if item["type"] == "equation":
        text = f"${text}$"
    elif item["type"] == "mention":
        text = _mention(item)
    elif annotations["code"]:
        ticks = "`" * (max([0, *map(len, re.findall("`+", text))]) + 1)
        text = f"{ticks} {text} {ticks}" if text[:1] in "` " or text[-1:] in "` " else f"{ticks}{text}{ticks}"
    else:
        text = escaped(text)
    for name, mark, tag in _MARKS:
        if annotations[name]:
            text = f"{mark}{text}{mark}" if text.strip() == text and text else f"<{tag}>{text}</{tag}>"
    if item["type"] == "text" and item["href"]:
        text = f"[{text}]({item['href']})"
    if annotations["underline"]:
        text = f"<u>{text}</u>"
    return text if annotations["color"] == "default" else f'<span color="{annotations["color"]}">{text}</span>'


def _mention(item: Json) -> str:
    kind, text = item["mention"]["type"], item["plain_text"]
    if kind == "user":
        return f'<mention url="user://{item["mention"]["user"]["id"]}">{text.removeprefix("@")}</mention>'
    if kind in ("page", "database"):
        of_database = ' type="database"' if kind == "database" else ""
        return f'<mention url="{item["href"]}"{of_database}>{text}</mention>'
    if kind == "date":
        date = item["mention"]["date"]
        return f'<date start="{date["start"]}"' + (f' end="{date["end"]}" />' if date["end"] else " />")
    return f"[{escaped(text)}]({item['href']})" if item["href"] else escaped(text)


class MarkdownV2:
    """Writes blocks, and collects the ids of those that it could not render."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.unknown_ids: list[str] = []
        self.blocks = 0

    def children_of(self, entry: Page | Block, level: int = 0) -> str:
        """Return the blocks below `entry`; what is not shared stays unknown."""
        text, before = "", ""
        for child in entry.children:
            if child.in_trash:
                continue
            full = self.blocks >= self.workspace.markdown_limit or level >= _MAX_LEVEL
            if full or self.workspace.find(child.id) is None:
                self.unknown_ids.append(child.id)
                written = self._unknown(child.id, "")
            else:
                written = self.block(child, level)
            is_list = child.type in _LISTS or child.type == "to_do"
            gap = "\n" if is_list and before == child.type else "\n\n"
            text, before = (text + gap if text else "") + written, child.type
        return text

    def block(self, entry: Page | Block | Database, level: int) -> str:
        """Return a block and what is below it."""
        self.blocks += 1
        if isinstance(entry, (Page, Database)):
            tag = "page" if isinstance(entry, Page) else "database"
            return f'<{tag} url="{object_url(entry.id)}">{escaped(block_object(entry)[entry.type]["title"])}</{tag}>'
        content, kind = block_object(entry)[entry.type], entry.type
        if kind in _UNRENDERED:
            return self._unknown(entry.id, content.get("block_type", kind))
        if kind in _TEXTS:
            return self._text(entry, content, level)
        if kind in _LISTS or kind == "to_do":
            return self._list_item(entry, content, level)
        if kind == "table":
            return self._table(entry)
        if kind in _CONTAINERS:
            return self._container(entry, level)
        return _single(kind, content)

    def _text(self, entry: Block, content: Json, level: int) -> str:
        (mark, tag), attributes = _TEXTS[entry.type], _attributes(content)
        title = inline(content.get("rich_text") or content.get("title") or ())
        children = self.children_of(entry, level + 1)
        if content.get("is_toggleable"):
            mark, tag, attributes = None, "toggle", f' heading="{tag}"{attributes}'
        if mark is not None and not attributes and not children and title == title.strip():
            lines = title.split("\n") if entry.type == "quote" else [title]
            return "\n".join(mark + line for line in lines) if title else "<p />"
        inside = "\n\n".join(filter(None, [title or "<p />", children]))
        return f"<{tag}{attributes}>\n{inside}\n</{tag}>"

    def _list_item(self, entry: Block, content: Json, level: int) -> str:
        mark, tag = _LISTS.get(entry.type, (f"- [{'x' if content.get('checked') else ' '}] ", "todo"))
        text, children = inline(content["rich_text"]), self.children_of(entry, level + 1)
        if _attributes(content):
            inside = "\n\n".join(filter(None, [text or "<p />", children]))
            if tag == "todo":
                return f'<todo checked="{str(content["checked"]).lower()}"{_attributes(content)}>\n{inside}\n</todo>'
            return f"<{tag}>\n<li{_attributes(content)}>\n{inside}\n</li>\n</{tag}>"
        indented = re.sub("(?m)^(?=.)", "\t", "\n\n".join(filter(None, [text, children])))
        return mark + indented.lstrip("\t")

    def _container(self, entry: Block, level: int) -> str:
        original_id, shown, tag, url = synced_from(entry), entry, _CONTAINERS[entry.type], ""
        if original_id is not None:
            original = self.workspace.find(original_id)
            if not isinstance(original, Block):
                self.unknown_ids.append(entry.id)
                return self._unknown(entry.id, "")
            shown, tag, url = original, "synced-block-reference", f' url="{object_url(original_id)}"'
        return f"<{tag}{url}>\n{self.children_of(shown, level + 1)}\n</{tag}>"

    def _table(self, entry: Block) -> str:
        rows: list[str] = []
        for row in self.workspace.listed_children(entry):
            self.blocks += 1
            cells = block_object(row)["table_row"]["cells"]
            rows.append("| " + " | ".join(inline(cell, "<br />") for cell in cells) + " |")
            if len(rows) == 1:
                rows.append("| " + " | ".join("---" for _ in cells) + " |")
        return "\n".join(rows)

    def _unknown(self, block_id: str, kind: str) -> str:
        return f'<unknown url="{object_url(block_id)}" alt="{kind}"/>'


def _attributes(content: Json) -> str:
    icon = (content.get("icon") or {}).get("emoji")
    color = content.get("color", "default")
    return (f' icon="{icon}"' if icon else "") + (f' color="{color}"' if color != "default" else "")


def _single(kind: str, content: Json) -> str:
    """Return the markdown of a block without children."""
    if kind in LITERAL:
        return literal(kind, content)
    if kind == "image":
        return f"![{inline(content['caption'])}]({_url(content)})"
    if kind in _MEDIA:
        return f'<{kind} source="{_url(content)}">{inline(content["caption"])}</{kind}>'
    if kind == "link_to_page":
        return f'<mention url="{object_url(content[content["type"]])}" />'
    return f"<{kind.replace('_', '-')} />"


def _url(content: dict[str, Any]) -> str:
    return with_entities(content["url"] if "url" in content else content[content["type"]]["url"])
