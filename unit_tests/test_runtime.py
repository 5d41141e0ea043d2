"""What the connector takes for granted of its runtime, and the runtime does not promise.

A test fails here if another version of the runtime behaves otherwise: its name says what to look at.
"""

import inspect
import logging
import re
from importlib.metadata import version

import pytest
import requests
import requests_mock
import yaml
from airbyte_cdk.sources.declarative.incremental.concurrent_partition_cursor import ConcurrentPerPartitionCursor
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from airbyte_cdk.sources.streams.http.error_handlers import HttpStatusErrorHandler
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException
from airbyte_cdk.sources.streams.http.http_client import HttpClient
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from conftest import MANIFEST, ROOT


def test_the_package_the_tests_and_the_manifest_name_the_runtime_that_is_installed() -> None:
    installed = version("airbyte-cdk")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r"airbyte-cdk(?:\[[^\]]*\])?==([\d.]+)", project) == [installed, installed]
    assert f"\nairbyte-cdk=={installed}\n" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["version"] == installed


def test_read_pages_is_what_a_retriever_reads_a_slice_with() -> None:
    assert [*inspect.signature(SimpleRetriever._read_pages).parameters] == [
        "self",
        "records_generator_fn",
        "stream_slice",
    ]
    assert "self._read_pages(" in inspect.getsource(SimpleRetriever._read_records_or_split_request_window)


def test_fetch_next_page_is_what_a_retriever_sends_each_request_with() -> None:
    assert [*inspect.signature(SimpleRetriever._fetch_next_page).parameters] == [
        "self",
        "stream_slice",
        "next_page_token",
        "page_size_override",
    ]
    assert "self._fetch_next_page(" in inspect.getsource(SimpleRetriever._read_pages)


def test_the_cursor_of_partitions_emits_a_state_once_enough_time_went_by_since_its_last_emission_time() -> None:
    assert ConcurrentPerPartitionCursor.DEFAULT_MAX_PARTITIONS_NUMBER == 25_000
    source = inspect.getsource(ConcurrentPerPartitionCursor._throttle_state_message)
    assert "current_time - self._last_emission_time" in source and "return None" in source


def test_an_error_after_the_last_retry_has_the_request_in_its_context() -> None:
    client = HttpClient(
        "stream", logging.getLogger("test"), HttpStatusErrorHandler(logging.getLogger("test"), max_retries=0)
    )
    with requests_mock.Mocker() as notion, pytest.raises(AirbyteTracedException) as raised:
        notion.get("https://api.notion.com/v1/users", status_code=500)
        client.send_request("GET", "https://api.notion.com/v1/users", request_kwargs={})
    context = raised.value.__context__
    assert isinstance(context, BaseBackoffException)
    assert isinstance(context.request, requests.PreparedRequest)
