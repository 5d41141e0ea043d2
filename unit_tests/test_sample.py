"""The sample workspace that `make run` reads: it arrives whole, and has everything to show."""

from conftest import SAMPLE, STREAMS, serving, sync
from loaders import truth

from fake_notion.workspace import Workspace


def test_the_sample_workspace_arrives_and_also_what_its_search_hides() -> None:
    workspace = Workspace.load(SAMPLE)
    assert workspace.unsearchable
    expected = truth(workspace)
    with serving(workspace):
        result = sync(*STREAMS)

    assert result.errors == {}
    for stream in ("users", "pages", "data_sources", "databases"):
        assert sorted(result.ids(stream)) == expected[stream]
    for page in expected["pages"]:
        of_page = [block["id"] for block in result.records["blocks"] if block["page_id"] == page]
        assert of_page == [placed.block["id"] for placed in workspace.blocks_of(page)]
