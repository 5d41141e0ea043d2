"""The sample workspace that `make run` reads: it arrives whole, and has everything to show."""

from conftest import SAMPLE, STREAMS, TOKEN, environment, sync
from loaders import truth

from local.stand_in import StandIn
from local.workspace import Workspace


def test_the_sample_workspace_arrives_but_for_what_its_search_hides() -> None:
    workspace = Workspace.load(SAMPLE)
    hidden = workspace.unsearchable
    expected = truth(workspace)
    with StandIn(workspace, token=TOKEN) as api, environment(api.environment()):
        result = sync(*STREAMS)

    assert result.errors == {}
    assert sorted(result.ids("pages")) == [id for id in expected["pages"] if id not in hidden]
    for stream in ("users", "data_sources", "databases"):
        assert sorted(result.ids(stream)) == expected[stream]
    for page in set(expected["pages"]) - hidden:
        of_page = [block["id"] for block in result.records["blocks"] if block["page_id"] == page]
        assert of_page == [placed.block["id"] for placed in workspace.blocks_of(page)]
