"""The runtime's own suite of standard tests, run on the bundle against the stand-in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from airbyte_cdk.test.models import ConnectorTestScenario
from airbyte_cdk.test.standard_tests import DeclarativeSourceTestSuite
from airbyte_cdk.test.standard_tests.pytest_hooks import pytest_generate_tests  # noqa: F401
from conftest import CONFIG, TOKEN, environment
from loaders import SmallWorkspace, components_in_this_process

from local.bundle import write_bundle
from local.stand_in import StandIn

OAUTH = {
    "auth_type": "OAuth2.0",
    "client_id": "sample-client",
    "client_secret": "sample-secret",
    "access_token": TOKEN,
}
# By name: the configuration, and what comes of its check and its read.
SCENARIOS: dict[str, tuple[dict[str, Any], str]] = {
    "access_token": (CONFIG, "succeed"),
    "oauth": ({**CONFIG, "credentials": OAUTH}, "succeed"),
    "many_workers": ({**CONFIG, "num_workers": 10}, "succeed"),
    "wrong_token": (
        {**CONFIG, "credentials": {"auth_type": "token", "token": "secret_wrong"}},
        "failed",
    ),
    "future_start_date": ({**CONFIG, "start_date": "2999-01-01T00:00:00.000Z"}, "failed"),
}


# The suite only warns of some problems of a catalog; here they fail the test.
@pytest.mark.filterwarnings("error::airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning")
class TestTheBundleMeetsTheStandard(DeclarativeSourceTestSuite):
    """Runs what `DeclarativeSourceTestSuite` has, for each scenario.

    Attributes:
        root: the bundle's folder, with each scenario's configuration in it.
    """

    root: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _notion(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        """Writes the bundle; each test has the stand-in in Notion's place."""
        cls.root = tmp_path_factory.mktemp("standard") / "source-notion"
        write_bundle(cls.root)
        for name, (config, _) in SCENARIOS.items():
            (cls.root / f"{name}.json").write_text(json.dumps(config))
        with (
            StandIn(SmallWorkspace(), token=TOKEN) as api,
            environment(api.environment()),
            components_in_this_process(),
        ):
            yield

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        return cls.root

    @classmethod
    def get_scenarios(cls) -> list[ConnectorTestScenario]:
        return [
            ConnectorTestScenario(config_path=Path(f"{name}.json"), status=status)
            for name, (_, status) in SCENARIOS.items()
        ]


# These build and run a container's image, which needs Docker.
for name in dir(DeclarativeSourceTestSuite):
    if name.startswith("test_docker_image"):
        setattr(TestTheBundleMeetsTheStandard, name, None)
