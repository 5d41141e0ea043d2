"""Pages as plain text: the words of both versions of Notion's markdown, all of them and nothing else."""

import re
from collections import Counter
from typing import Any, Optional

import pytest
from conftest import SAMPLE, Sync, cases, serving, sync
from hypothesis import given
from hypothesis import strategies as st
from test_recordings import NOT_BLOCKS, RECORDINGS, recorded
from under_test import Json

from fake_notion.entries import block
from fake_notion.stand_in import Answer, Request, Rule, StandIn, on
from fake_notion.values import date, equation, mention, mention_page, plain_text, text
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

VERSIONS = ["v1", "v2"]

# ------------------------------------------------------------------------------ constructs, each in words

# What was measured to be wrong, in both versions.
MEASURED = {
    "escapes": (r"x \< 5 and y \> 3", "x < 5 and y > 3"),
    "types in a code block": ("```java\nMap<String, List<Integer>>\n```", "Map<String, List<Integer>>"),
    "powers in a code block": ("```python\n2 ** 3\n```", "2 ** 3"),
    "powers in inline code": ("is `2 ** 3` eight", "is 2 ** 3 eight"),
    "cells in one line": ("<table><tr><td>a</td><td>b</td></tr></table>", "a\tb"),
    "a date": ('due <mention-date start="2026-01-05"/>', "due 2026-01-05"),
}

# Those of https://developers.notion.com/guides/data-apis/enhanced-markdown, in its order.
V1 = {
    "text": ('Rich text {color="blue"}\n\tChildren', "Rich text\nChildren"),
    "every escape": (r"\\ \* \~ \` \$ \[ \] \< \> \{ \} \| \^", "\\ * ~ ` $ [ ] < > { } | ^"),
    "headings": ('# One {color="red_bg"}\n## Two\n### Three\n#### Four', "One\nTwo\nThree\nFour"),
    "a heading that toggles": ('## More {toggle="true" color="gray"}\n\tHidden', "More\nHidden"),
    "lists": ("- a\n\t- b\n1. c\n12. d", "a\nb\nc\nd"),
    "to-dos": ('- [ ] open\n- [x] done {color="red"}\n\tbelow', "open\ndone\nbelow"),
    "a quote": ("> Line 1<br>Line 2<br>Line 3\n\tbelow", "Line 1\nLine 2\nLine 3\nbelow"),
    "a toggle": ('<details color="red">\n<summary>Title</summary>\n\tBelow\n</details>', "Title\nBelow"),
    "a callout": ('::: callout {icon="💡" color="gray"}\nMind the step\n\tBelow\n:::', "Mind the step\nBelow"),
    "a callout as a tag": ('<callout icon="💡">\n\tMind the step\n</callout>', "Mind the step"),
    "code below a toggle": (
        "<details>\n\t```\n\tif a < b:\n\t\n\t\treturn\n\t```\n</details>",
        "if a < b:\n\n\treturn",
    ),
    "an equation": ("$$\n\\frac{a}{b} \\\\ c\n$$", "\\frac{a}{b} \\\\ c"),
    "a table": (
        '<table header-row="true">\n\t<colgroup>\n\t\t<col color="red">\n\t</colgroup>\n\t<tr color="blue">\n'
        '\t\t<td>a</td>\n\t\t<td color="red">**b**</td>\n\t</tr>\n\t<tr>\n\t\t<td></td>\n\t\t<td>d</td>\n\t</tr>\n</table>',
        "a\tb\n\td",
    ),
    "a divider and an empty line": ("a\n---\n<empty-block/>\nb", "a\nb"),
    "columns": ("<columns>\n\t<column>\n\t\ta\n\t</column>\n\t<column>\n\t\tb\n\t</column>\n</columns>", "a\nb"),
    "media": ('![A *cat*](https://a.b/c(1).png) {color="red"}\n<pdf src="https://a.b/c">Plan</pdf>', "A cat\nPlan"),
    "pages and databases": ('<page url="https://a">A \\* b</page>\n<database url="https://a">C</database>', "A * b\nC"),
    "a table of contents": ('<table_of_contents color="gray"/>\na', "a"),
    "synced blocks": ('<synced_block url="https://a">\n\ta\n</synced_block>', "a"),
    "formats": ('**a** *b* ~~c~~ <span underline="true">d</span> `e` [f](https://a "t")', "a b c d e f"),
    "formats within formats": ('***a** b* <span color="red">**c**</span> [**d** e](https://a)', "a b c d e"),
    "bold that ends in a space": ("**bold **next", "bold next"),
    "inline equations": ("it is $x^2$ and $`a * b * c`$, for $5 or $6", "it is x^2 and a * b * c, for $5 or $6"),
    "mentions": (
        'of <mention-user url="user://1">Ann</mention-user>, <mention-page url="https://a">A page</mention-page>',
        "of Ann, A page",
    ),
    "a mention without a label": ('see <mention-page url="https://a.b/c"/>.', "see https://a.b/c."),
    "a span of time": (
        '<mention-date start="2026-01-05" startTime="09:00" end="2026-01-06" endTime="10:00" timeZone="Europe/Rome"/>',
        "2026-01-05 09:00 2026-01-06 10:00 Europe/Rome",
    ),
    "emojis and citations": ("so :smile: it says[^https://a.b/c]", "so :smile: it sayshttps://a.b/c"),
    "an unknown block": ('a\n<unknown url="https://a" alt="bookmark"/>\nb', "a\nb"),
    "meeting notes": (
        "<meeting-notes>\n\tWeekly\n\t<summary>\n\t\tAll well\n\t</summary>\n</meeting-notes>",
        "Weekly\nAll well",
    ),
    "an entity, which is text": ("AT&amp;T", "AT&amp;T"),
}

# Those of https://developers.notion.com/guides/data-apis/notion-flavored-markdown, in its order.
V2 = {
    "paragraphs": ("One\n\nTwo", "One\nTwo"),
    "a table of bars": ("| a | b |\n| --- | :-: |\n| 1 \\| 2 | `x\\|y` |\n|  | d |", "a\tb\n1 | 2\tx|y\n\td"),
    "bars in a text": ("a | b", "a | b"),
    "display math": ("$$\n\\frac{a}{b}\n$$", "\\frac{a}{b}"),
    "a citation": ("a [^https://a.b/c]", "a https://a.b/c"),
    "literal tags": ("\\<div> and &lt;p&gt; and AT&amp;T", "<div> and <p> and AT&T"),
    "a fence within a longer one": ("````md\n```\n**a**\n```\n````", "```\n**a**\n```"),
    "code with backticks": ("`` a`b `` and ` `` `", "a`b and ``"),
    "hard breaks": ("one **two\\\nthree** four", "one two\nthree four"),
    "formats over two lines": ("a **b\nc** [d\ne](https://a) f", "a b\nc d\ne f"),
    "an empty paragraph": ("a\n\n<p />\n\nb", "a\nb"),
    "inline tags": ("<b>a </b><i>b</i> <s>c</s> <u>d</u>", "a b c d"),
    "spans": ('<span color="orange" discussion-urls="https://a">a <u>b</u></span>c', "a bc"),
    "mentions, whose labels are literal": (
        '<mention url="user://1">A **b** <c></mention> <mention url="https://a" type="database">D</mention>',
        "A **b** <c> D",
    ),
    "a mention without a label": ('see <mention url="https://a.b/c" />', "see https://a.b/c"),
    "dates": (
        '<date start="2026-01-05" end="2026-01-06" start-time="09:00" end-time="10:00" time-zone="Europe/Rome" />',
        "2026-01-05 09:00 2026-01-06 10:00 Europe/Rome",
    ),
    "a quote with children": (
        '<quote color="purple_bg">\nTitle\n\n- child\n\n<callout icon="💡">\nBody\n</callout>\n</quote>',
        "Title\nchild\nBody",
    ),
    "headings and toggles": ('<h1 color="red">\nA\n</h1>\n\n<toggle heading="h2">\nB\n\nC\n</toggle>', "A\nB\nC"),
    "a list of tags": ('<ol type="a">\n<li color="red">\na\n</li>\n<li>\nb\n\nc\n</li>\n</ol>', "a\nb\nc"),
    "a list within a list": ("- a\n\t- b\n\n\tc\n- d", "a\nb\nc\nd"),
    "columns and tabs": (
        '<columns><column ratio="50">a</column><column>b</column></columns>\n\n<tabs><tab title="T">c</tab></tabs>',
        "a\nb\nT\nc",
    ),
    "mail": ('<mail to="a@b.c" subject="It\'s &quot;on&quot;">\nBody\n</mail>', 'a@b.c It\'s "on"\nBody'),
    "to-dos": ('<todo checked="true" color="red">a</todo>\n\n- [ ] b\n- [x] c', "a\nb\nc"),
    "an equation with a color": ('<equation color="red">x + \\, y</equation>', "x + \\, y"),
    "media": (
        '<image source="https://a">a</image>\n\n![b](https://a)\n\n<bookmark source="https://a">c</bookmark>',
        "a\nb\nc",
    ),
    "pages, folders and databases": ('<page url="https://a">A</page>\n\n<folder url="https://b">B</folder>', "A\nB"),
    "synced blocks": ('<synced-block-reference url="https://a" notice="n">\na\n</synced-block-reference>', "a"),
    "meeting notes": (
        "<meeting-notes>Title<meeting-notes-section-notes>Notes</meeting-notes-section-notes></meeting-notes>",
        "Title\nNotes",
    ),
    "a custom block": ('a\n\n<custom-block definition-id="1" url="https://a" />', "a"),
    "a table of tags": (
        '<table header-row="true">\n<colgroup><col width="180" /></colgroup>\n<tr>\n<th>\na\n</th>\n<th>b<br />c</th>\n</tr>\n'
        "<tr><td></td><td>d</td></tr>\n</table>",
        "a\tb\nc\n\td",
    ),
    "colors in braces, which are text": ('a {color="red"}', 'a {color="red"}'),
    "colons, which are text": (":::", ":::"),
}

# What neither page mentions.
UNKNOWN = {
    "images without a caption": ("![](https://a.b/c)\n\na\n\n![](https://a.b/d)\n\nb", "a\nb"),
    "an unknown tag": ('<wonder size="2">some <b>words</b></wonder>', "some words"),
    "unknown tags in one line": ("<one>a</one><two>b</two>", "a\nb"),
    "a tag that nothing closes": ("a List<String> of names", "a List<String> of names"),
    "marks that nothing closes": ("2 * 3 ** 4 [a] b~~ (c](d)", "2 * 3 ** 4 [a] b~~ (c](d)"),
    "a fence that nothing closes": ("```\na < b", "a < b"),
    "a name with underscores": ("__init__ of snake_case", "__init__ of snake_case"),
    "a year at the beginning": ("2024. A good year", "2024. A good year"),
    "an address": ("<https://a.b/c> or <a@b.c>", "https://a.b/c or a@b.c"),
    "nothing": ("", ""),
}
CONSTRUCTS = {"v1": {**MEASURED, **V1, **UNKNOWN}, "v2": {**MEASURED, **V2, **UNKNOWN}}


def page_markdown(markdown: str) -> Answer:
    return Answer(
        body={
            "object": "page_markdown",
            "id": "any",
            "markdown": markdown,
            "truncated": False,
            "unknown_block_ids": [],
        }
    )


def in_version(version: str, answer: Answer) -> Rule:
    """Answers a request for the markdown of a page, if it asks for the version or else for none."""

    def rule(request: Request) -> Optional[Answer]:
        return answer if request.query.get("markdown_version", "v1") == version else None

    return rule


@pytest.fixture(scope="module")
def plain_texts(prepared_manifest: None) -> dict[str, dict[str, str]]:
    """What each construct becomes, by version and name: a page for each, and a sync for each version."""
    texts = {}
    for version, constructs in CONSTRUCTS.items():
        workspace = Workspace()
        workspace.markdown_versions &= {version} - {"v1"}
        names = {workspace.add_page(title=name): name for name in constructs}
        with serving(workspace) as api:
            for page, name in names.items():
                answer = in_version(version, page_markdown(constructs[name][0]))
                api.answer(on("GET", f"/v1/pages/{page}/markdown", answer))
            result = sync("page_markdown")
            assert result.errors == {}
            records = result.records["page_markdown"]
        assert {record["markdown_version"] for record in records} == {version}
        texts[version] = {names[record["id"]]: record["plain_text"] for record in records}
    return texts


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version in VERSIONS for name in CONSTRUCTS[version]], ids=str
)
def test_plain_text_has_the_words_of(version: str, name: str, plain_texts: dict[str, dict[str, str]]) -> None:
    assert plain_texts[version][name] == CONSTRUCTS[version][name][1]


# ------------------------------------------------------------------------------ texts that people may write

FRAGMENTS = ["a", "bc", " ", "  ", "\n", "é", "😀", *"\\*_~`$[]<>{}|^&#+-=>!().:;\"'0", "**", "~~", "](", "<b>", "</b>"]
FRAGMENTS += [
    "<br>",
    "&lt;",
    '{color="red"}',
    "1. ",
    "- ",
    "```",
    "$$",
    "<mention-date start=",
    "https://a.b/c_d",
    "| --- |",
]
# v1 does not escape what begins a line, so nobody can tell such a text from a list, a heading or a divider.
LOOKS_LIKE_A_BLOCK = re.compile(r"(#{1,6}|-|\d{1,3}\.)(\s|$)|---+$|:::")

KINDS = ["paragraph", "bulleted_list_item", "quote", "toggle", "callout", "heading_2"]
TEXTS = (
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=12)
    .map(lambda parts: "\n".join(line.strip() for line in "".join(parts).split("\n")).strip("\n"))
    .filter(lambda each: each and not LOOKS_LIKE_A_BLOCK.match(each))
)


def plain_texts_of(workspace: Workspace, version: str) -> dict[str, str]:
    workspace.markdown_versions &= {version} - {"v1"}
    with serving(workspace):
        result = sync("page_markdown")
    assert {each["markdown_version"] for each in result.records["page_markdown"]} == {version}
    return {each["title"]: each["plain_text"] for each in result.records["page_markdown"]}


@pytest.mark.parametrize("version", VERSIONS)
@cases(3)
@given(st.lists(st.tuples(st.sampled_from(KINDS), TEXTS), min_size=50, max_size=50))
def test_a_text_comes_back_as_it_was_written(version: str, written: list[tuple[str, str]]) -> None:
    workspace = Workspace()
    for number in range(0, 50, 10):
        page = workspace.add_page(title=str(number))
        for kind, each in written[number : number + 10]:
            workspace.add_block(page, kind, each)

    assert plain_texts_of(workspace, version) == {
        str(number): "\n".join(each for _, each in written[number : number + 10]) for number in range(0, 50, 10)
    }


@pytest.mark.parametrize("version", VERSIONS)
@cases(2)
@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), min_size=1).map("".join), min_size=15, max_size=15))
def test_code_comes_back_as_it_was_written(version: str, written: list[str]) -> None:
    workspace = Workspace()
    for number, each in enumerate(written):
        toggle = workspace.add_block(workspace.add_page(title=str(number)), "toggle", "Open")
        workspace.add_block(toggle, "code", each)

    assert plain_texts_of(workspace, version) == {str(number): f"Open\n{each}" for number, each in enumerate(written)}


# ------------------------------------------------------------------------------ no word is missing

WORDS = st.text("abcdefghij", min_size=3, max_size=8)
STYLES = st.fixed_dictionaries(
    {}, optional={name: st.booleans() for name in ("bold", "italic", "strikethrough", "underline", "code")}
)
ITEMS = st.one_of(
    st.builds(lambda word, style: text(f"{word} ", **style), WORDS, STYLES),
    st.builds(lambda word, style: text(word, "https://example.com/a_b", color="red", **style), WORDS, STYLES),
    st.builds(equation, WORDS),
    st.builds(lambda word: mention("user", {"object": "user", "id": "1"}, f"@{word}"), WORDS),
    st.builds(lambda word: mention_page("00000000-0000-4000-8000-000000000001", word), WORDS),
    st.just(mention("date", date("2026-01-05"), "2026-01-05")),
)
RICH_TEXTS = st.lists(ITEMS, min_size=1, max_size=4).map(
    lambda items: [part for item in items for part in (item, text(" "))]
)
PARENTS = ["paragraph", "bulleted_list_item", "numbered_list_item", "to_do", "quote", "toggle", "callout"]
LEAVES: st.SearchStrategy[Json] = st.one_of(
    st.builds(block, st.sampled_from(["heading_1", "heading_3"]), RICH_TEXTS),
    st.builds(lambda word: block("code", f"{word} < {word}\n\t{word}"), WORDS),
    st.builds(lambda word: block("equation", expression=f"{word} \\\\ 2"), WORDS),
    st.builds(lambda word: block("image", caption=word, external="https://example.com/a.png"), WORDS),
    st.builds(
        lambda cell: block("table", table_width=2, children=[block("table_row", cells=[cell, cell])]), RICH_TEXTS
    ),
)
BLOCKS = st.recursive(
    LEAVES,
    lambda children: st.builds(
        lambda kind, items, below, color: block(kind, items, below, color=color),
        st.sampled_from(PARENTS),
        RICH_TEXTS,
        st.lists(children, max_size=3),
        st.sampled_from(["default", "red"]),
    ),
    max_leaves=8,
)


def words_of(plain_text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", plain_text))


def missing_words(result: Sync) -> dict[str, Counter[str]]:
    """The words that the blocks of a page have and its plain text lacks, by page.

    Left out is what Notion does not write as markdown: blocks that are unknown there, and the captions of code.
    """
    missing = {}
    for page in result.records["page_markdown"]:
        unknown = {*re.findall(r'<unknown url="[^"]*/(\w+)"', page["markdown"])}
        words: Counter[str] = Counter()
        for each in result.records["blocks"]:
            ids = {id.replace("-", "") for id in [*each["path"], each["id"]]}
            if each["page_id"] == page["id"] and not ids & unknown:
                words += words_of(plain_text(each["code"]["rich_text"]) if "code" in each else each["plain_text"])
        lacking = words - words_of(page["plain_text"])
        if lacking:
            missing[page["id"]] = lacking
    return missing


def read(workspace: Workspace, version: str) -> Sync:
    workspace.markdown_versions &= {version} - {"v1"}
    with serving(workspace):
        result = sync("blocks", "page_markdown")
    assert result.errors == {}
    assert {each["markdown_version"] for each in result.records["page_markdown"]} == {version}
    return result


@pytest.mark.parametrize("version", VERSIONS)
@cases(3)
@given(st.lists(st.lists(BLOCKS, min_size=1, max_size=5), min_size=6, max_size=6))
def test_no_word_of_the_blocks_is_missing_from_the_page(version: str, pages: list[list[Json]]) -> None:
    workspace = Workspace()
    for blocks in pages:
        page = workspace.add_page()
        for each in blocks:
            workspace.add_block(page, **each)

    result = read(workspace, version)

    assert len(result.ids("blocks")) >= sum(map(len, pages))
    assert missing_words(result) == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_no_word_of_the_sample_is_missing(version: str) -> None:
    result = read(Workspace.load(SAMPLE), version)

    assert len(result.ids("page_markdown")) > 50
    assert missing_words(result) == {}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of the API lie beside the project, not in it")
@pytest.mark.parametrize("version", VERSIONS)
def test_no_word_of_the_recorded_blocks_is_missing(version: str) -> None:
    workspace = Workspace()
    page = workspace.add_page()
    table = workspace.add_block(page, "table")
    for recording in recorded("blocks"):
        kind = recording["type"]
        if kind not in NOT_BLOCKS:
            content = {name: value for name, value in recording[kind].items() if name != "type"}
            file = content.pop("file", None) or content.get("external")
            content |= {"external": file["url"]} if file else {}
            parent = table if kind == "table_row" else page
            workspace.add_block(parent, kind, content.pop("rich_text", None), **content)

    result = read(workspace, version)

    assert len(result.ids("blocks")) > 150
    assert missing_words(result) == {}


def test_a_bracket_before_a_link_is_text(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")

    def markdown(request: Request) -> Any:
        answer: Any = request.normal()
        answer.body["markdown"] = "A [b [link](https://example.com)"
        return answer

    api.answer(on("GET", f"/v1/pages/{page}/markdown", markdown))

    assert [each["plain_text"] for each in sync("page_markdown").records["page_markdown"]] == ["A [b link"]
