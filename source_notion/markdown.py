"""Pages as markdown: whole, and as what they say without what shows it."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from airbyte_cdk.sources.types import Record, StreamSlice

from source_notion.components import PageContentRetriever
from source_notion.retriever import Listing, RecordsOfResponse, with_extra


@dataclass
class MarkdownRetriever(PageContentRetriever):
    """Reads a page as markdown, and what Notion cut off of it block by block.

    Notion stops after some 20,000 blocks and lists those it left out, with a tag in their place:
    https://developers.notion.com/reference/retrieve-page-markdown
    """

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        def markdown_of(block_id: str) -> Optional[Record]:
            of_block = with_extra(stream_slice, block_id=block_id)
            return next(self.read_listing(Listing(self.label), records_generator_fn, of_block), None)

        page_id = stream_slice.extra_fields["page_id"]
        page = markdown_of(page_id)
        if page is None:
            return
        markdown, missing, asked = page["markdown"], [], {page_id}
        unknown = deque(page.get("unknown_block_ids") or [])
        while unknown:
            block_id = unknown.popleft()
            if block_id in asked:
                continue
            asked.add(block_id)
            block = markdown_of(block_id)
            if block is None or block_id in (block.get("unknown_block_ids") or []):
                missing.append(block_id)
                continue
            markdown = with_block(markdown, block_id, block["markdown"])
            unknown.extend(block.get("unknown_block_ids") or [])
        path, place = self.lookup.path_of(page_id), self.workspace.places.get(page_id)  # type: ignore[union-attr]
        data = {
            "id": page_id,
            "last_edited_time": stream_slice.extra_fields["last_edited_time"],
            "title": place and place.title,
            "path_titles": None if path is None else [title for _, title in path],
            "markdown": markdown,
            "plain_text": without_marks(markdown),
            "truncated": bool(missing),
            "unknown_block_ids": missing,
        }
        yield Record(data, page.stream_name, page.associated_slice)


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
