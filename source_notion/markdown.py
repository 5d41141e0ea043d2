"""Pages as markdown and as plain text, whole."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from airbyte_cdk.sources.types import Record, StreamSlice

from source_notion.components import PageContentRetriever
from source_notion.objects import reason_of
from source_notion.plain_text import V1, V2, MarkdownReader
from source_notion.responses import body_of
from source_notion.retriever import Listing, RecordsOfResponse, with_extra


@dataclass
class MarkdownRetriever(PageContentRetriever):
    """Reads a page as markdown, and what Notion cut off of it block by block.

    Notion stops after some 20,000 blocks and lists those it left out, with a tag in their place:
    https://developers.notion.com/reference/retrieve-page-markdown

    It asks for version 2, the default of the API's next version. If Notion refuses it, the rest of the sync asks for none:
    https://developers.notion.com/guides/data-apis/migrate-to-notion-flavored-markdown
    """

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        def answer_about(block_id: str, version: str) -> Optional[Record]:
            versions = [] if version == V1 else [version]  # an empty list becomes no parameter
            of_block = with_extra(stream_slice, block_id=block_id, markdown_versions=versions)
            return next(self.read_listing(Listing(self.name), records_generator_fn, of_block), None)

        page_id = stream_slice.extra_fields["page_id"]
        # If it is refused for a block only, the whole page is read once more.
        for version in [V1] if self.workspace.refuses_markdown_version else [V2, V1]:
            page = answer_about(page_id, version)
            markdown, missing, is_cut_off = self._completed(page or {}, version, answer_about)
            if not self.workspace.refuses_markdown_version:
                break
        if page is None:
            return
        if is_cut_off:
            reason = "Notion cut off its markdown and does not say what is missing. The stream blocks has all of it."
            self.skipped.warn(self.name, f"the rest of page_id {page_id}", "cut off", reason)
        place = self.workspace.places.get(page_id)
        data = {
            "id": page_id,
            "last_edited_time": stream_slice.extra_fields["last_edited_time"],
            "title": place and place.title,
            "path_titles": self.lookup.path_of(page_id)["path_titles"],
            "markdown": markdown,
            "markdown_version": version,
            "plain_text": markdown and MarkdownReader(markdown, version).words(),
            "truncated": bool(missing) or is_cut_off,
            "unknown_block_ids": missing,
        }
        yield Record(data, page.stream_name, page.associated_slice)

    def skip_ignored(self, stream_slice: StreamSlice, response: Any) -> None:
        """Fall back to the version that Notion gives by default, once for the sync."""
        message = str(body_of(response).get("message"))
        asked = stream_slice.extra_fields["markdown_versions"]
        if not asked or "markdown_version" not in message:
            super().skip_ignored(stream_slice, response)
            return
        self.workspace.refuses_markdown_version = True
        self.skipped.say_once(
            f"Notion refuses to write markdown {asked[0]} ({message}). This sync reads {V1} instead, as the column "
            "markdown_version says."
        )

    def _completed(
        self, page: Mapping[str, Any], version: str, answer_about: Callable[[str, str], Optional[Record]]
    ) -> tuple[Optional[str], list[str], bool]:
        """The markdown with the blocks that Notion cut off in their places, the ids of the blocks that are missing, and
        whether more is, of which Notion gives no id."""
        markdown, is_cut_off = _text_of(page), _ends_early(page)
        missing: list[str] = []
        unknown = _left_out_of(page)
        for block_id in unknown:  # those that a block left out in turn come at the end
            block: Mapping[str, Any] = {}
            try:
                block = answer_about(block_id, version) or {}
            except Exception as error:
                self.skipped.warn(self.name, f"block_id {block_id}", "not answered", reason_of(error))
            text, left_out = _text_of(block), _left_out_of(block)
            if text is None or block_id in left_out:
                if block:  # else a warning has said why
                    self.skipped.warn(self.name, f"block_id {block_id}", "cut off", "Notion gives no markdown of it.")
                missing.append(block_id)
                continue
            markdown = with_block(markdown or "", version, block_id, text)
            is_cut_off |= _ends_early(block)
            unknown += [each for each in left_out if each not in unknown]
        return markdown, missing, is_cut_off


def _text_of(answer: Mapping[str, Any]) -> Optional[str]:
    markdown = answer.get("markdown")
    return markdown if isinstance(markdown, str) else None


def _left_out_of(answer: Mapping[str, Any]) -> list[str]:
    ids = answer.get("unknown_block_ids")
    return list(dict.fromkeys(id for id in ids if isinstance(id, str))) if isinstance(ids, list) else []


def _ends_early(answer: Mapping[str, Any]) -> bool:
    """Whether something is missing that cannot be asked for."""
    return bool(answer.get("truncated")) and not _left_out_of(answer)


def with_block(markdown: str, version: str, block_id: str, of_block: str) -> str:
    """The markdown with a block in place of the tag that stands for it, or at the end if there is none."""
    id = re.escape(block_id).replace(r"\-", "-?")
    tag = re.compile(rf"(^[ \t]*)?<unknown [^>]*{id}[^>]*>(?:</unknown>)?", re.MULTILINE)
    if not tag.search(markdown):
        return markdown + ("\n" if version == V1 else "\n\n") + of_block
    return tag.sub(lambda found: re.sub("^(?=.)", found[1] or "", of_block, flags=re.MULTILINE), markdown, count=1)
