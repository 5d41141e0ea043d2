"""Reads Notion's markdown: what a page says, without what shows it."""

import re


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
