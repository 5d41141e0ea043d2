"""The runtime's own suite of standard tests, run on the bundle against the stand-in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from airbyte_cdk.test.models import ConnectorTestScenario
from airbyte_cdk.test.standard_tests import DeclarativeSourceTestSuite
from airbyte_cdk.test.standard_tests.pytest_hooks import pytest_generate_tests  # noqa: F401
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from conftest import CONFIG, TOKEN, environment
from loaders import SmallWorkspace, components_in_this_process
from under_test import Json

from fake_notion.stand_in import StandIn
from tools.bundle import write_bundle

CONFIGURATIONS: dict[str, Json] = {
    "access_token": CONFIG,
    "oauth": {
        **CONFIG,
        "credentials": {
            "auth_type": "OAuth2.0",
            "client_id": "sample-client",
            "client_secret": "sample-secret",
            "access_token": TOKEN,
        },
        "num_workers": 10,
    },
    "wrong_token": {**CONFIG, "credentials": {"auth_type": "token", "token": "secret_wrong"}},
}


def with_something_in_each_stream() -> SmallWorkspace:
    workspace = SmallWorkspace()
    workspace.add_custom_emoji("kiln", "https://example.com/kiln.png")
    workspace.add_file_upload("plan.pdf", "application/pdf", 1024)
    workspace.add_view(workspace.database_ids()[0], "All")
    workspace.add_comment(workspace.paragraph, "On a block")
    workspace.add_block(workspace.home, "image", hosted="small/kiln.png")
    workspace.trash_page(workspace.add_page(title="Old"))
    return workspace


# The suite only warns of some problems of a catalog; here they fail the test.
@pytest.mark.filterwarnings("error::airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning")
class TestTheBundleMeetsTheStandard(DeclarativeSourceTestSuite):
    """Runs every test of `DeclarativeSourceTestSuite` that needs no container.

    Attributes:
        root: the bundle's folder, with the configurations in it.
    """

    root: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _against_the_stand_in(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.root = tmp_path_factory.mktemp("standard") / "source-notion"
        write_bundle(cls.root)
        for name, config in CONFIGURATIONS.items():
            (cls.root / f"{name}.json").write_text(json.dumps(config))
        with (
            StandIn(with_something_in_each_stream(), token=TOKEN) as api,
            environment(api.environment()),
            components_in_this_process(),
            pytest.MonkeyPatch.context() as patch,
        ):
            # The suite loads the manifest for each command; this is the runtime's own, quick way.
            patch.setattr(yaml, "safe_load", safe_load_yaml)
            yield

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        return cls.root

    @classmethod
    def get_scenarios(cls) -> list[ConnectorTestScenario]:
        """Everything with one configuration, and what is different with the others."""
        return [
            ConnectorTestScenario(config_path=Path("access_token.json"), status="succeed"),
            ConnectorTestScenario(config_path=Path("oauth.json"), status="succeed", sections=("spec",)),
            ConnectorTestScenario(config_path=Path("wrong_token.json"), status="failed", sections=("connection",)),
        ]


for test in dir(DeclarativeSourceTestSuite):
    if test.startswith("test_docker_image"):
        setattr(TestTheBundleMeetsTheStandard, test, None)
