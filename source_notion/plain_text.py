"""The words of a page's markdown, without the marks and tags that only show how they look.

Notion writes two versions of markdown, and this reads both:

- v1: https://developers.notion.com/guides/data-apis/enhanced-markdown
- v2: https://developers.notion.com/guides/data-apis/notion-flavored-markdown

They do not say how each text is escaped, so the reader is tolerant: what it does not know keeps its words.
"""

import html
import re
from typing import NamedTuple

V1, V2 = "v1", "v2"


class Tag(NamedTuple):
    """What a tag does to the text around it."""

    # `block` begins a new line, `cell` a cell of a table; `br` is a line break; `inline` does nothing.
    kind: str = "block"
    words: tuple[str, ...] = ()  # the attributes that hold words, in lower case and without hyphens


# The tags that do more than begin a new line. A name with a hyphen may be listed by its first part.
TAGS = {
    **dict.fromkeys(("b", "i", "s", "u", "span"), Tag("inline")),
    **dict.fromkeys(("date", "mention-date"), Tag("inline", ("start", "starttime", "end", "endtime", "timezone"))),
    **dict.fromkeys(("td", "th"), Tag("cell")),
    "mention": Tag("inline", ("url",)),
    "mail": Tag("block", ("from", "to", "cc", "bcc", "subject")),
    "tab": Tag("block", ("title",)),
    "br": Tag("br"),
    "col": Tag(),  # nothing closes it
}
_ATTRIBUTES = r"""(?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'))*"""
_TARGET = r"\((?:<[^<>\n]*>|(?:\\.|[^\\()\n]|\([^()\n]*\))*)\)"

# What is not plain text, in the order in which it is tried. `^` and `$` are the ends of a line.
_TOKENS = {
    "block": r"^(?P<indent>[ \t]*)(?P<fence>`{3,}(?=[^`\n]*$)|\$\$(?=[ \t]*$))[^\n]*\n"
    r"(?P<content>[\s\S]*?)(?:^(?P=indent)(?P=fence)`*[ \t]*$|\Z)",
    "rule": r"^[ \t]*(?:---+|\|(?:[ \t]*:?-+:?[ \t]*\|)+)[ \t]*$",
    # A number of more digits is a year rather than a place in a list.
    "mark": r"^[ \t]*(?:#{1,6}|>|[-*](?:[ \t]+\[[ xX]\])?|\d{1,3}\.)(?:[ \t]+|$)",
    "row": r"^[ \t]*\|(?=.*\|[ \t]*$)[ \t]*",
    "indentation": r"^[ \t]+",
    "newline": r"[ \t]*\n(?:[ \t]*\n)*",
    "escape": r"\\(?P<character>[!-/:-@\[-`{-~\n])",
    "code": r"(?<!`)(?P<ticks>`+)(?!`)(?P<literal>(?:[^\n]|\n(?!\s*\n))+?)(?<!`)(?P=ticks)(?!`)",
    "equation": r"\$(?P<quote>`?)(?![\s$])(?P<expression>(?:\\.|[^\\$\n])+?)(?<!\s)(?P=quote)\$(?!\w)",
    "address": r"<(?P<url>[A-Za-z][\w+.-]+:[^\s<>]*|[^\s<>@:/]+@[^\s<>]+)>",
    "citation": r"\[\^(?P<cited>[^\]\s]+)\]",
    "tag": rf"<(?P<end>/?)(?P<name>[A-Za-z][\w-]*)(?P<attributes>{_ATTRIBUTES})\s*(?P<empty>/?)>",
    "wordless": rf"!?\[\]{_TARGET}",
    "opening": r"!?\[",
    "closing": rf"\](?P<target>{_TARGET})?",
    "emphasis": r"\*\*|\*|~~",  # not the underscore: v1 has no such mark, and names are full of it
    "bar": r"[ \t]*\|[ \t]*",
}
_V1_ONLY = {
    "colors": r"[ \t]*\{(?:[\w-]+=\"[^\"\n]*\"[ \t]*)+\}(?=[ \t]*$)",
    "callout": r"^[ \t]*:{3,}[ \t]*(?:callout\b[ \t]*(?:\{[^\n]*\})?)?[ \t]*$",
}
_V2_ONLY = {  # what these enclose is literal
    "mention": rf"<mention{_ATTRIBUTES}\s*>(?P<label>[^\n]*?)</mention>",
    "formula": rf"<equation{_ATTRIBUTES}\s*>(?P<expression_of_formula>[\s\S]*?)</equation>",
    "entity": r"&(?:#\d+|#[xX][\da-fA-F]+|[A-Za-z]\w*);",
}
# The groups that are words as they are.
_WORDS = {"escape": "character", "equation": "expression", "address": "url", "citation": "cited", "mention": "label"}


def _pattern(tokens: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{name}>{token})" for name, token in tokens.items()), re.MULTILINE)


_PATTERNS = {V1: _pattern({**_V1_ONLY, **_TOKENS}), V2: _pattern({**_V2_ONLY, **_TOKENS})}


class MarkdownReader:
    """Reads the markdown of a page, token by token.

    A mark that nothing closes is text. So each is added as text, and emptied when its other end comes.
    """

    def __init__(self, markdown: str, version: str) -> None:
        self._markdown = markdown
        self._is_v1 = version == V1
        self._tokens = _PATTERNS[version]
        self._closed = set(re.findall(r"</([\w-]+)>", markdown))  # names of tags
        self._parts: list[str] = []
        self._open: list[tuple[str, int]] = []  # marks that may still be closed, and their places in the parts
        self._breaks = False  # whether what comes next begins a new line
        self._cells = 0  # so far in this row
        self._is_in_row = False  # of a table of bars

    def words(self) -> str:
        """A line for each block, and a tab between the cells of a table."""
        end = 0
        for token in self._tokens.finditer(self._markdown):
            self._add(self._markdown[end : token.start()])
            self._take(str(token.lastgroup), token)
            end = token.end()
        self._add(self._markdown[end:])
        return "".join(self._parts)

    def _take(self, kind: str, token: re.Match[str]) -> None:
        if kind in _WORDS:
            self._add(token[_WORDS[kind]])
        elif kind == "block":
            self._add_block(re.sub("^" + token["indent"], "", token["content"].removesuffix("\n"), flags=re.MULTILINE))
        elif kind == "formula":
            self._add_block(token["expression_of_formula"].strip("\n"))
        elif kind in ("mark", "row"):
            self._break()
            self._is_in_row = kind == "row"
        elif kind == "newline":
            self._breaks, self._is_in_row = True, False
            if self._is_v1 or token[0].count("\n") > 1:  # in v2, a paragraph may have several lines
                self._open.clear()
        elif kind == "code":
            padded = re.fullmatch(r" (.*[^ ].*) ", token["literal"], re.DOTALL)
            code = padded[1] if padded else token["literal"]
            self._add(code.replace("\\|", "|") if self._is_in_row else code)
        elif kind == "entity":
            self._add(html.unescape(token[0]))
        elif kind == "tag":
            self._take_tag(token)
        elif kind in ("opening", "closing"):
            self._take_bracket(token)
        elif kind == "emphasis":
            self._take_emphasis(token)
        elif kind == "bar":
            is_end = self._is_in_row and self._markdown[token.end() : token.end() + 1] in ("", "\n")
            self._add("" if is_end else "\t" if self._is_in_row else token[0])

    def _take_tag(self, token: re.Match[str]) -> None:
        name = token["name"]
        tag = TAGS.get(name.lower()) or TAGS.get(name.lower().split("-")[0])
        if not (tag or token["empty"] or name in self._closed):
            self._add(token[0])  # as in `List<String>`
            return
        tag = tag or Tag()
        if tag.kind == "block":
            self._break()
            self._cells = 0
        elif tag.kind == "cell" and not token["end"]:
            if self._cells:
                self._breaks = False
                self._add("\t")
            self._end_line()
            self._cells += 1
        elif tag.kind == "br":
            self._add("\n")
        if tag.words and (token["empty"] or tag.kind == "block"):  # else what the tag encloses says it better
            found = re.findall(r"""([\w:-]+)\s*=\s*(["'])(.*?)\2""", token["attributes"], re.DOTALL)
            values = {key.lower().replace("-", ""): value for key, _, value in found}
            self._add(" ".join(html.unescape(values[word]) for word in tag.words if values.get(word)))
            self._breaks |= tag.kind == "block"

    def _take_emphasis(self, token: re.Match[str]) -> None:
        before = self._markdown[token.start() - 1 : token.start()].strip()
        after = self._markdown[token.end() : token.end() + 1].strip()
        if self._is_v1:  # it escapes all asterisks but these, and marks text that ends in a space
            before = after = before or after
        if before and self._close(token[0], erases=True):
            return
        self._add(token[0])
        if after:
            self._open.append((token[0], len(self._parts) - 1))

    def _take_bracket(self, token: re.Match[str]) -> None:
        is_link = token.lastgroup == "closing" and token["target"] is not None
        if token.lastgroup == "closing" and self._close("[", erases=is_link) and is_link:
            return
        self._add(token[0])
        if token.lastgroup == "opening":
            self._open.append(("[", len(self._parts) - 1))

    def _close(self, mark: str, erases: bool) -> bool:
        """Close the last mark of this kind that is open; False if there is none."""
        places = [place for opened, place in self._open if opened == mark]
        if places:
            self._open.remove((mark, places[-1]))
            if erases:
                self._parts[places[-1]] = ""
        return bool(places)

    def _break(self) -> None:
        self._breaks = True
        self._open.clear()

    def _add_block(self, text: str) -> None:
        self._break()
        self._add(text)
        self._break()

    def _add(self, text: str) -> None:
        if text:
            self._end_line()
            self._parts.append(text)

    def _end_line(self) -> None:
        if self._breaks and self._parts and self._parts[-1] != "\t" and not self._parts[-1].endswith("\n"):
            self._parts.append("\n")
        self._breaks = False
