"""Pages as markdown: whole, and as what they say without what shows it."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from airbyte_cdk.sources.types import Record, StreamSlice

from source_notion.components import PageContentRetriever
from source_notion.objects import reason_of
from source_notion.retriever import Listing, RecordsOfResponse, with_extra


@dataclass
class MarkdownRetriever(PageContentRetriever):
    """Reads a page as markdown, and what Notion cut off of it block by block.

    Notion stops after some 20,000 blocks and lists those it left out, with a tag in their place:
    https://developers.notion.com/reference/retrieve-page-markdown
    """

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        def answer_about(block_id: str) -> Optional[Record]:
            of_block = with_extra(stream_slice, block_id=block_id)
            return next(self.read_listing(Listing(self.label), records_generator_fn, of_block), None)

        page_id = stream_slice.extra_fields["page_id"]
        page = answer_about(page_id)
        if page is None:
            return
        markdown, missing = self._completed(page, answer_about)
        path, place = self.lookup.path_of(page_id), self.workspace.places.get(page_id)  # type: ignore[union-attr]
        data = {
            "id": page_id,
            "last_edited_time": stream_slice.extra_fields["last_edited_time"],
            "title": place and place.title,
            "path_titles": None if path is None else [title for _, title in path],
            "markdown": markdown,
            "plain_text": markdown and without_marks(markdown),
            "truncated": bool(missing or (page.get("truncated") and not page.get("unknown_block_ids"))),
            "unknown_block_ids": missing,
        }
        yield Record(data, page.stream_name, page.associated_slice)

    def _completed(
        self, page: Record, answer_about: Callable[[str], Optional[Record]]
    ) -> tuple[Optional[str], list[str]]:
        """The markdown with the blocks that Notion cut off, and the ids of those that it does not give."""
        markdown = _text_of(page)
        missing: list[str] = []
        unknown, asked = deque(_left_out_of(page)), {page.get("id")}
        while unknown:
            block_id = unknown.popleft()
            if block_id in asked:
                continue
            asked.add(block_id)
            try:
                block = answer_about(block_id)
            except Exception as error:
                block = None
                self.skipped.warn(self.name, f"block_id {block_id}", "not answered", reason_of(error))
            text = _text_of(block) if block else None
            if block is None or text is None or block_id in _left_out_of(block):
                missing.append(block_id)
                continue
            markdown = with_block(markdown or "", block_id, text)
            unknown.extend(_left_out_of(block))
        return markdown, missing


def _text_of(answer: Mapping[str, Any]) -> Optional[str]:
    markdown = answer.get("markdown")
    return markdown if isinstance(markdown, str) else None


def _left_out_of(answer: Mapping[str, Any]) -> list[str]:
    ids = answer.get("unknown_block_ids")
    return [id for id in ids if isinstance(id, str)] if isinstance(ids, list) else []


def with_block(markdown: str, block_id: str, of_block: str) -> str:
    """The markdown with a block in place of the tag that stands for it, or at the end if there is none."""
    tag = re.compile(rf"^(\t*)<unknown [^>]*{block_id.replace('-', '-?')}[^>]*>$", re.MULTILINE)
    if not tag.search(markdown):
        return f"{markdown}\n{of_block}"
    return tag.sub(lambda found: "\n".join(found[1] + line for line in of_block.split("\n")), markdown, count=1)


def without_marks(markdown: str) -> str:
    """The words of Notion's markdown: without tags, marks of lines, emphasis, and the targets of links."""
    text = re.sub(r"<[^>\n]+>", "", markdown)
    text = re.sub(r"!?\[([^\]\n]*)\]\([^)\n]*\)", r"\1", text)
    text = re.sub(r"^[ \t]*(#{1,6} |> |- \[[ x]\] |[-*] |[0-9]+\. |```.*$|---$)", "", text, flags=re.MULTILINE)
    text = re.sub(r"\*\*|~~|`|(?<![\w\\])\*(?=\S)|(?<=[^\s\\])\*(?!\w)", "", text)
    text = re.sub(r"\\([^\w\s])", r"\1", text)
    return re.sub(r"\n{2,}", "\n", "\n".join(line.strip() for line in text.split("\n"))).strip()
