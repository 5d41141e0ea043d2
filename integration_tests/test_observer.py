"""What stands between PyAirbyte and the connector, if the connector is killed."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from threading import Event

from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from conftest import CONFIG, TOKEN, catalog_of
from loaders import SmallWorkspace

from fake_notion.stand_in import Answer, Request, StandIn, on
from integration_tests.runs import ROOT
from tools.observer import REPORT
from tools.progress import Report

STREAMS = ["users", "pages", "blocks"]


def test_a_connector_that_is_killed_fails_its_streams_and_what_it_delivered_is_passed_on(
    tmp_path: Path,
) -> None:
    workspace = SmallWorkspace()
    catalog = ConfiguredAirbyteCatalogSerializer.dump(catalog_of(*STREAMS))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    over = Event()

    def hold(request: Request) -> Answer | None:
        if workspace.newest in request.path:
            assert over.wait(timeout=300)
        return None

    files = ["--config", "config.json", "--catalog", "catalog.json"]
    with StandIn(workspace, token=TOKEN) as api:
        api.answer(on("GET", "/v1/blocks/.*/children", hold))
        observer = subprocess.Popen(
            [sys.executable, "-m", "tools.observer", "read", *files],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **api.environment(),
                REPORT: str(tmp_path / "report.jsonl"),
                "PYTHONPATH": str(ROOT),
            },
        )
        lines = []
        for line in observer.stdout or ():
            lines.append(json.loads(line))
            if lines[-1]["type"] == "RECORD":
                subprocess.run(["pkill", "-KILL", "-P", str(observer.pid)], check=True)
                break
        lines += [json.loads(line) for line in observer.stdout or ()]
        code = observer.wait(timeout=300)
        over.set()
    report = Report(tmp_path / "report.jsonl")
    report.finish(STREAMS)

    assert code == 0
    delivered = Counter(line["record"]["stream"] for line in lines if line["type"] == "RECORD")
    assert delivered == {name: each.records for name, each in report.streams.items() if each.records}
    (reason,) = report.reasons
    assert reason == "The connector ended before it was complete (exit code: signal 9)."
    assert "blocks" in report.failed
    complete = {name for name, each in report.streams.items() if each.status == "COMPLETE"}
    assert report.failed == set(STREAMS) - complete
