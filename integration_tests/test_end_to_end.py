"""Every way to run the connector, for real: as a process or server that talks over sockets to the stand-in."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
import requests
import yaml
from airbyte_cdk.cli import source_declarative_manifest
from conftest import CONFIG, STREAMS, TOKEN, catalog_of, environment
from loaders import (
    STREAMS_OF_THE_MANIFEST,
    Connector,
    Run,
    SmallWorkspace,
    march,
    program,
    requests_made,
    tables,
    truth,
)
from under_test import UNSAFE, Json, with_components

from fake_notion.stand_in import StandIn
from fake_notion.workspace import Workspace
from tools.bundle import write_bundle

EVERYTHING = catalog_of(*STREAMS)
WITHOUT_INCREMENTS = {"users", "trashed_pages", "custom_emojis", "file_uploads", "views"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(folder)
    return folder


# ------------------------------------------------------------ processes that speak Airbyte's protocol


def installed_executable(bundle: Path, api: StandIn) -> Connector:
    """`source-notion`, as `pip install` leaves it."""
    return Connector([program("source-notion")], api.environment())


def manifest_runner(bundle: Path, api: StandIn) -> Connector:
    """The runtime's own executable with the bundle as its arguments."""
    paths = ["--manifest-path", f"{bundle}/manifest.yaml", "--components-path", f"{bundle}/components.py"]  # fmt: skip
    return Connector([program("source-declarative-manifest")], api.environment() | UNSAFE, paths)


def manifest_only_image(bundle: Path, api: StandIn) -> Connector:
    """What the base image in metadata.yaml runs: the bundle beside the runtime's `run.py`, in one package.

    The image itself would need Docker. Its `run.py` finds the manifest under an absolute path, so the
    main program here calls the function that it calls then.
    """
    package = bundle.with_name("integration_code") / "source_declarative_manifest"
    shutil.copytree(bundle, package)
    (package / "__init__.py").touch()
    shutil.copy(Path(source_declarative_manifest.__path__[0], "_run.py"), package / "run.py")
    main = package.with_name("main.py")
    main.write_text(
        "import sys\n"
        "from source_declarative_manifest.run import handle_local_manifest_command\n"
        "handle_local_manifest_command(sys.argv[1:])\n"
    )
    return Connector([sys.executable, str(main)], api.environment())


@dataclass
class Session:
    """What a connector gives for a small workspace, and again after a few edits."""

    workspace: SmallWorkspace
    spec: Run
    check: Run
    discover: Run
    first: Run
    first_truth: dict[str, list[str]]
    first_requests: Counter[str]
    second: Run
    second_truth: dict[str, list[str]]
    second_requests: Counter[str]


@pytest.fixture(
    scope="module",
    params=[installed_executable, manifest_runner],
    ids=lambda connector: connector.__name__,
)
def session(request: pytest.FixtureRequest, bundle: Path) -> Session:
    workspace = SmallWorkspace()
    with StandIn(workspace, token=TOKEN) as api:
        connector = request.param(bundle, api)
        with ThreadPoolExecutor(2) as pool:
            spec = pool.submit(connector.run, "spec")
            check = pool.submit(connector.run, "check", config=CONFIG)
            discover = pool.submit(connector.run, "discover", config=CONFIG)
        api.counts.clear()
        first = connector.run("read", config=CONFIG, catalog=EVERYTHING)
        first_truth, first_requests = truth(workspace), requests_made(api)
        second_truth = workspace.edit()
        api.counts.clear()
        second = connector.run("read", config=CONFIG, catalog=EVERYTHING, state=first.state())
    return Session(
        workspace,
        spec.result(),
        check.result(),
        discover.result(),
        first=first,
        first_truth=first_truth,
        first_requests=first_requests,
        second=second,
        second_truth=second_truth,
        second_requests=requests_made(api),
    )


def test_spec_asks_for_credentials_or_for_a_manifest(session: Session) -> None:
    spec = session.spec.the("spec")["connectionSpecification"]

    # The runtime's own executable is for any manifest, so its spec asks for one whatever it is given.
    if spec["title"] != "Low-code source spec":
        assert list(spec["properties"])[:6] == [
            *(
                "credentials",
                "start_date",
                "databases",
                "root_pages",
                "page_discovery",
                "num_workers",
            )
        ]
    else:
        assert spec["required"] == ["__injected_declarative_manifest"]
    assert session.spec.code == 0


def test_check_succeeds_without_a_complaint(session: Session) -> None:
    assert session.check.the("connectionStatus") == {"status": "SUCCEEDED"}
    assert session.check.complaints() == []


def test_discover_gives_the_streams_of_the_manifest_and_a_table_for_each_data_source(
    session: Session,
) -> None:
    streams = session.discover.the("catalog")["streams"]

    names = [stream["name"] for stream in streams]
    assert names[: len(STREAMS_OF_THE_MANIFEST)] == STREAMS_OF_THE_MANIFEST
    assert sorted(names[len(STREAMS_OF_THE_MANIFEST) :]) == sorted(tables(session.workspace))
    assert {stream["name"]: stream["supported_sync_modes"] for stream in streams} == {
        name: ["full_refresh"] if name in WITHOUT_INCREMENTS else ["full_refresh", "incremental"] for name in names
    }
    assert all(stream["source_defined_primary_key"] == [["id"]] for stream in streams)
    assert all(stream["json_schema"]["properties"]["id"] for stream in streams)
    assert session.discover.complaints() == []


def test_read_delivers_what_the_workspace_holds_each_once(session: Session) -> None:
    assert session.first.ids() == session.first_truth
    assert session.first.complaints() == []
    assert session.first.code == 0


def test_a_second_read_delivers_what_changed_and_what_may_have_changed(session: Session) -> None:
    assert session.second.ids() == session.second_truth
    changed = [block["id"] for block in session.second.records("blocks") if block["last_edited_time"] == march(25)]
    assert changed == [session.workspace.paragraph]
    assert session.second.complaints() == []
    assert session.second.code == 0


def test_a_second_read_asks_for_the_children_of_changed_pages_only(session: Session) -> None:
    workspace = session.workspace
    children = "GET /v1/blocks/{id}/children"

    assert session.first_requests[children] == sum(map(workspace.listings, workspace.page_ids()))
    assert session.second_requests[children] == workspace.listings(workspace.home)
    # A comment leaves its page as it is, and databases cannot be listed: these are asked for as before. The
    # first walk also met the databases, and asked whether search knows all of them.
    comments, databases = "GET /v1/comments", "GET /v1/databases/{id}"
    assert session.second_requests[comments] == session.first_requests[comments] > 0
    assert session.second_requests[databases] == len(workspace.database_ids())
    assert session.first_requests[databases] == 2 * len(workspace.database_ids())
    assert sum(session.second_requests.values()) < sum(session.first_requests.values())


def test_the_image_for_manifests_finds_the_bundle_and_runs_it(bundle: Path) -> None:
    with StandIn(SmallWorkspace(), token=TOKEN) as api, ThreadPoolExecutor(2) as pool:
        connector = manifest_only_image(bundle, api)
        runs = [
            pool.submit(connector.run, "spec"),
            pool.submit(connector.run, "check", config=CONFIG),
            pool.submit(connector.run, "read", config=CONFIG, catalog=EVERYTHING),
        ]
        spec, check, read = (run.result() for run in runs)

    assert "credentials" in spec.the("spec")["connectionSpecification"]["properties"]
    assert check.the("connectionStatus") == {"status": "SUCCEEDED"}
    assert read.ids() == truth(api.workspace)
    assert check.complaints() + read.complaints() == []


# ------------------------------------------------------------------------ what a person sees of errors


@pytest.fixture(scope="module")
def empty() -> Iterator[StandIn]:
    """A connection with which nothing is shared."""
    with StandIn(Workspace(), token=TOKEN) as api:
        yield api


def test_a_check_with_a_wrong_token_says_that_the_token_is_wrong(empty: StandIn, bundle: Path) -> None:
    config = {**CONFIG, "credentials": {"auth_type": "token", "token": "secret_wrong"}}

    check = installed_executable(bundle, empty).run("check", config=config)

    status = check.the("connectionStatus")
    assert status["status"] == "FAILED"
    assert "Notion does not accept the access token: it is wrong, expired or revoked." in status["message"]  # fmt: skip
    assert "secret_wrong" not in check.output
    assert check.code == 0


def test_a_check_where_nothing_is_shared_says_how_to_share(empty: StandIn, bundle: Path) -> None:
    check = installed_executable(bundle, empty).run("check", config=CONFIG)

    status = check.the("connectionStatus")
    assert status["status"] == "FAILED"
    assert "nothing is shared with this connection. Open a page or database" in status["message"]


def test_a_check_that_cannot_reach_notion_says_so(empty: StandIn, bundle: Path) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))  # taken, but nobody listens
        proxy = f"http://127.0.0.1:{port.getsockname()[1]}"
        check = installed_executable(bundle, empty).run("check", config=CONFIG, HTTPS_PROXY=proxy, https_proxy=proxy)

    status = check.the("connectionStatus")
    assert status["status"] == "FAILED"
    assert "Notion cannot be reached at https://api.notion.com." in status["message"]
    assert "HTTPSConnectionPool" not in status["message"]


def test_a_read_in_debug_mode_never_prints_the_token(bundle: Path) -> None:
    with StandIn(SmallWorkspace(), token=TOKEN) as api:
        read = installed_executable(bundle, api).run("read", "--debug", config=CONFIG, catalog=EVERYTHING)

    printed = [
        message["data"]["headers"]
        for message in read.messages
        if message.get("message") == "Making outbound API request"
    ]
    assert len(printed) >= len(api.requests) > 0
    assert all("'Authorization': 'Bearer ****'" in headers for headers in printed)
    assert read.ids() == truth(api.workspace)
    assert TOKEN not in read.output


# --------------------------------------------------------------------- the Connector Builder's backend


@dataclass
class Builder:
    """The runtime's manifest server, which stands behind the Connector Builder.

    Attributes:
        url: where it listens.
        log: the file with all that it prints.
        manifest: the bundle's manifest.
        components: the bundle's components, as text.
    """

    url: str
    log: Path
    manifest: Json
    components: str

    def post(self, endpoint: str, **body: Any) -> Any:
        """Ask about the manifest; gives the answer's JSON."""
        with requests.Session() as http:
            http.trust_env = False  # not through a proxy
            answer = http.post(
                f"{self.url}/v1/manifest/{endpoint}",
                json={"manifest": self.manifest, **body},
                timeout=300,
            )
        assert answer.ok, answer.text
        return answer.json()


@contextmanager
def running_builder(bundle: Path, api: StandIn) -> Iterator[Builder]:
    log = bundle.with_name("manifest-server.log")
    with log.open("w") as output, environment(api.environment() | UNSAFE):
        server = subprocess.Popen([program("manifest-server"), "start", "--port", "0"], stdout=output, stderr=output)
    try:
        yield Builder(
            _address_in(log, server),
            log,
            yaml.safe_load((bundle / "manifest.yaml").read_text()),
            (bundle / "components.py").read_text(),
        )
    finally:
        server.terminate()
        server.wait(timeout=300)


def _address_in(log: Path, server: "subprocess.Popen[bytes]") -> str:
    """The address on which a server that has just been started says it is running."""
    deadline = time.monotonic() + 300
    while server.poll() is None and time.monotonic() < deadline:
        address = re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text())
        if address:
            return address[1]
        time.sleep(0.05)
    raise AssertionError(f"The manifest server did not start:\n{log.read_text()}")


@dataclass
class BuilderSession:
    """What somebody who works in the Connector Builder gets, in the order of the requests.

    Attributes:
        requests: the requests to Notion of each test read, as `METHOD /path`.
        output: all that the server printed.
    """

    workspace: SmallWorkspace
    resolve: Json
    full_resolve: Json
    check: Json
    failed_check: Json
    discover: Json
    test_reads: dict[str, Json] = field(default_factory=dict)
    requests: dict[str, Counter[str]] = field(default_factory=dict)
    output: str = ""


@pytest.fixture(scope="module")
def built(bundle: Path) -> BuilderSession:
    workspace = SmallWorkspace()
    with StandIn(workspace, token=TOKEN) as api:
        with running_builder(bundle, api) as builder:
            config = with_components(CONFIG, bundle)
            wrong = {**config, "credentials": {"auth_type": "token", "token": "secret_wrong"}}
            # A test read looks for the tables first, also where it reads no table.
            without_tables = {**CONFIG, "databases": {"selection": "none"}}
            reads = {stream: (stream, without_tables) for stream in STREAMS}
            reads |= {table: (table, CONFIG) for table in tables(workspace)}
            reads["blocks, limited to a page"] = (
                "blocks",
                {**without_tables, "root_pages": [workspace.page_ids()[-1]]},
            )
            reads["blocks, by one worker"] = ("blocks", {**without_tables, "num_workers": 1})
            session = BuilderSession(
                workspace,
                resolve=builder.post("resolve"),  # first, when the server has seen no components
                full_resolve=builder.post("full_resolve", config=config),
                check=builder.post("check", config=config),
                failed_check=builder.post("check", config=wrong),
                discover=builder.post("discover", config=config),
            )
            for name, (stream, of_read) in reads.items():
                api.requests.clear()
                session.test_reads[name] = builder.post(
                    "test_read",
                    config=of_read,
                    stream_name=stream,
                    custom_components_code=builder.components,
                    record_limit=1000,
                    page_limit=20,
                    slice_limit=20,
                )
                session.requests[name] = Counter(f"{r.method} {r.path}" for r in api.requests)
        session.output = builder.log.read_text()
    return session


def pages_of(answer: Json) -> list[Json]:
    """The pages of a test read: records with the request and the response that they came from."""
    return [page for one_slice in answer["slices"] for page in one_slice["pages"]]


def test_the_builder_resolves_the_manifest_with_and_without_components(
    built: BuilderSession,
) -> None:
    for answer, found in ((built.resolve, []), (built.full_resolve, tables(built.workspace))):
        streams = [stream.get("name") for stream in answer["manifest"]["streams"]]
        assert sorted(filter(None, streams)) == sorted([*STREAMS_OF_THE_MANIFEST, *found])
        assert '"$ref"' not in json.dumps(answer["manifest"]["streams"])


def test_the_builder_reads_the_rows_of_each_table(built: BuilderSession) -> None:
    for table, ids in tables(built.workspace).items():
        answer = built.test_reads[table]

        records = [record for page in pages_of(answer) for record in page["records"]]
        assert [record["id"] for record in records] == ids
        assert records[0]["Done"] is True
        assert "Name" in answer["inferred_schema"]["properties"]
        assert [log for log in answer["logs"] if log["level"] not in ("INFO", "DEBUG")] == []


def test_a_sample_in_the_builder_shows_blocks_of_any_page_and_asks_nothing_more(built: BuilderSession) -> None:
    limited = "blocks, limited to a page"

    records = [record["id"] for page in pages_of(built.test_reads[limited]) for record in page["records"]]
    assert sorted(records) == truth(built.workspace)["blocks"]
    assert built.requests[limited] == built.requests["blocks"]


def test_a_sample_in_the_builder_arrives_by_one_worker_too(built: BuilderSession) -> None:
    """There, one thread lists all partitions before it reads one."""
    answer = built.test_reads["blocks, by one worker"]

    records = [record["id"] for page in pages_of(answer) for record in page["records"]]
    assert sorted(records) == truth(built.workspace)["blocks"]


def test_the_builder_checks_the_connection(built: BuilderSession) -> None:
    assert built.check == {"success": True, "message": None}
    assert not built.failed_check["success"]
    assert "it is wrong, expired or revoked" in built.failed_check["message"]


def test_the_builder_discovers_the_streams(built: BuilderSession) -> None:
    names = [stream["name"] for stream in built.discover["catalog"]["streams"]]
    assert sorted(names) == sorted([*STREAMS_OF_THE_MANIFEST, *tables(built.workspace)])


@pytest.mark.parametrize("stream", STREAMS)
def test_the_builder_reads_every_record(built: BuilderSession, stream: str) -> None:
    answer = built.test_reads[stream]

    records = [record["id"] for page in pages_of(answer) for record in page["records"]]
    assert sorted(records) == truth(built.workspace)[stream]
    assert not answer["test_read_limit_reached"]
    assert set(answer["inferred_schema"]["properties"]) >= {"object", "id"}


@pytest.mark.parametrize("stream", STREAMS)
def test_the_builder_shows_every_request_with_its_answer_and_masks_the_token(
    built: BuilderSession, stream: str
) -> None:
    answer = built.test_reads[stream]

    exchanges = [*pages_of(answer), *answer["auxiliary_requests"]]
    for exchange in exchanges:
        assert exchange["request"]["headers"]["Authorization"] == "Bearer ****"
        assert exchange["request"]["headers"]["Notion-Version"] == "2026-03-11"
        assert exchange["response"]["status"] == 200
        assert json.loads(exchange["response"]["body"])["object"] in ("list", "database")
    assert built.requests[stream] == Counter(
        f"{exchange['request']['http_method']} {urlsplit(exchange['request']['url']).path}" for exchange in exchanges
    )
    assert TOKEN not in json.dumps(answer)


@pytest.mark.parametrize("stream", STREAMS)
def test_the_builder_has_nothing_to_warn_of(built: BuilderSession, stream: str) -> None:
    logs = built.test_reads[stream]["logs"]

    assert [log for log in logs if log["level"] not in ("INFO", "DEBUG")] == []
    assert "deprecat" not in json.dumps(logs).lower()


def test_the_builders_server_prints_no_warning_no_deprecation_and_no_token(
    built: BuilderSession,
) -> None:
    # Nothing is allowed for: the server by itself prints lines at INFO and no others. The check with a
    # wrong token alone complains, and says why.
    lines = built.output.splitlines()
    complaints = [line for line in lines if re.search("warn|error|deprecat|traceback", line, re.IGNORECASE)]
    assert [json.loads(line)["log"]["message"].split(":")[0] for line in complaints] == [
        "Stream workspace is not available", "Check failed",
    ]  # fmt: skip
    assert len([line for line in lines if "POST /v1/manifest/test_read" in line]) == len(built.test_reads)
    assert TOKEN not in built.output


# --------------------------------------------------------------------------------------- PyAirbyte


def read_through_pyairbyte(way: Json, database: Path, streams: list[str]) -> tuple[int, list[Any]]:
    """One read into DuckDB; called in a process of its own, whose logging PyAirbyte may take over.

    Returns:
        How many records the connector delivered, and the hosts other than Notion's to which PyAirbyte
        tried to connect, in vain: past the stand-in, which is the proxy, or through it.
    """
    strangers: list[Any] = []
    connect, set_tunnel = socket.socket.connect, HTTPConnection.set_tunnel

    def connect_to_this_machine(connecting: socket.socket, address: Any) -> None:
        if connecting.family != socket.AF_UNIX and address[0] != "127.0.0.1":
            strangers.append(address)
            raise ConnectionRefusedError(address)
        connect(connecting, address)

    def ask_the_proxy_for_notion(connection: HTTPConnection, host: str, **more: Any) -> None:
        if host != "api.notion.com":
            strangers.append(host)
        set_tunnel(connection, host, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_to_this_machine)
        patch.setattr(HTTPConnection, "set_tunnel", ask_the_proxy_for_notion)
        import airbyte
        from airbyte.caches import DuckDBCache

        source = airbyte.get_source("source-notion", config=CONFIG, streams=streams, **way)
        with DuckDBCache(db_path=database, schema_name="raw", cache_dir=database.with_suffix("")) as cache:
            return source.read(cache=cache).processed_records, strangers


@dataclass
class Warehouse:
    """What PyAirbyte brought into DuckDB: into one database by the executable, into another by the manifest.

    Attributes:
        first: what each held after a first read: for each stream the ids in its table, sorted.
        first_truth: the ids that each should hold.
        second: how many records the executable then delivered into the manifest's database.
        second_truth: the ids that it should deliver.
        second_requests: the requests of that read.
        last: what that database held in the end.
        edited: when the block that was edited was edited last, as that database has it.
        strangers: the hosts other than Notion's to which PyAirbyte tried to connect.
    """

    workspace: SmallWorkspace
    first: dict[str, dict[str, list[str]]]
    first_truth: dict[str, list[str]]
    second: int
    second_truth: dict[str, list[str]]
    second_requests: Counter[str]
    last: dict[str, list[str]]
    edited: datetime
    strangers: list[Any]


@pytest.fixture(scope="module")
def warehouse(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("warehouse")
    ways: dict[str, Json] = {
        "executable": {"local_executable": Path(program("source-notion"))},
        "manifest": {"source_manifest": bundle / "manifest.yaml"},  # and components.py beside it
    }
    databases = {way: folder / f"{way}.duckdb" for way in ways}
    offline = {
        "AIRBYTE_OFFLINE_MODE": "1",
        "DO_NOT_TRACK": "1",
        "AIRBYTE_LOGGING_ROOT": str(folder),
        "NO_LIVE_PROGRESS": "1",
    }
    workspace = SmallWorkspace()
    streams = [*STREAMS, *tables(workspace)]
    with (
        StandIn(workspace, token=TOKEN) as api,
        environment(api.environment() | offline | UNSAFE),
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes,
    ):
        reads = list(processes.map(read_through_pyairbyte, ways.values(), databases.values(), repeat(streams)))
        first = {way: rows(database, streams) for way, database in databases.items()}
        first_truth = truth(workspace) | tables(workspace)
        second_truth = workspace.edit() | tables(workspace)  # each has one row, so it is the newest
        api.counts.clear()
        again = processes.submit(read_through_pyairbyte, ways["executable"], databases["manifest"], streams)
        reads.append(again.result())
    (edited,) = query(
        databases["manifest"],
        f"SELECT last_edited_time FROM raw.blocks WHERE id = '{workspace.paragraph}'",
    )
    return Warehouse(
        workspace,
        first=first,
        first_truth=first_truth,
        second=reads[-1][0],
        second_truth=second_truth,
        second_requests=requests_made(api),
        last=rows(databases["manifest"], streams),
        edited=edited,
        strangers=[stranger for _, strangers in reads for stranger in strangers],
    )


def query(database: Path, sql: str) -> list[Any]:
    """The first column of a query's result."""
    with duckdb.connect(str(database)) as connection:
        return [row[0] for row in connection.execute(sql).fetchall()]


def rows(database: Path, streams: Iterable[str], schema: str = "raw") -> dict[str, list[str]]:
    """The ids of all rows, by stream."""
    return {stream: query(database, f"SELECT id FROM {schema}.{stream} ORDER BY id") for stream in streams}


@pytest.mark.parametrize("way", ["executable", "manifest"])
def test_pyairbyte_brings_what_the_workspace_holds_into_duckdb(warehouse: Warehouse, way: str) -> None:
    assert warehouse.first[way] == warehouse.first_truth


def test_pyairbyte_goes_on_where_the_other_way_stopped_and_replaces_what_changed(
    warehouse: Warehouse,
) -> None:
    workspace = warehouse.workspace

    # PyAirbyte 0.71 hands a manifest no state (it would read all again), so the executable goes on here.
    assert warehouse.second == sum(map(len, warehouse.second_truth.values()))
    children = warehouse.second_requests["GET /v1/blocks/{id}/children"]
    assert children == workspace.listings(workspace.home)
    assert warehouse.last == truth(workspace) | tables(workspace)
    assert warehouse.edited == datetime(2026, 3, 25, 12)


def test_pyairbyte_reaches_nothing_outside_this_machine(warehouse: Warehouse) -> None:
    assert warehouse.strangers == []
