"""The settings, the connection check, and the ways to sign in."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from airbyte_cdk.models import Type
from clock import Clock
from conftest import CONFIG, check, environment, sync
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError
from under_test import run

from fake_notion.stand_in import Answer, StandIn, error, on, times
from fake_notion.workspace import Workspace
from source_notion.run import source_notion

pytestmark = pytest.mark.usefixtures("prepared_manifest")


def oauth(access_token: str = "", **more: str) -> dict[str, str]:
    """Credentials of a public connection, with the token that is valid if none is given."""
    return {
        "auth_type": "OAuth2.0",
        "client_id": "sample-client",
        "client_secret": "sample-secret",
        "access_token": access_token or CONFIG["credentials"]["token"],
        **more,
    }


def expired_token() -> str:
    """Another one each time: what the connector remembers of one must not get into another test."""
    return f"expired_{uuid4().hex}"


def test_check_succeeds_with_one_request(workspace: Workspace, api: StandIn) -> None:
    for number in range(300):
        workspace.add_page(title=str(number), last_edited_time="2001-01-01T00:00:00.000Z")

    assert check(**CONFIG) == ("SUCCEEDED", None)
    assert [(request.method, request.path) for request in api.requests] == [("POST", "/v1/search")]


def test_check_is_content_with_a_shared_database_that_has_no_rows(workspace: Workspace, api: StandIn) -> None:
    workspace.add_data_source(workspace.add_database(None, "Empty"))

    assert check(**CONFIG) == ("SUCCEEDED", None)


def test_check_says_that_the_token_is_wrong(workspace: Workspace, api: StandIn) -> None:
    status, message = check(credentials={"auth_type": "token", "token": "ntn_wrong"})

    assert status == "FAILED"
    assert "Notion does not accept the access token: it is wrong, expired or revoked." in message
    assert len(api.requests) == 1


@pytest.mark.parametrize("token", ["ntn_secret1\n", " ntn_secret1", "ntn_secret1…", "ntn_sec ret1"])
def test_a_token_that_holds_what_no_token_holds_is_refused_and_never_printed(
    api: StandIn, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    config = {"credentials": {"auth_type": "token", "token": token}}
    sentence = "The access token contains a space, a line break or another character that no token has."

    status, message = check(**config)
    discovered = run("discover", config)

    assert status == "FAILED"
    assert sentence in message
    assert any(sentence in error.trace.error.message for error in discovered.errors)
    assert "secret1" not in message + str(discovered.errors) + "".join(capsys.readouterr())
    assert api.requests == []


@pytest.mark.parametrize("config", [{}, {"start_date": CONFIG["start_date"]}])
def test_check_says_that_credentials_are_missing(api: StandIn, config: dict[str, Any]) -> None:
    status, message = check(**config)

    assert status == "FAILED"
    assert "credentials" in message
    assert api.requests == []


def test_check_says_that_the_token_may_not_read_content(workspace: Workspace, api: StandIn) -> None:
    workspace.capabilities.clear()

    status, message = check(**CONFIG)

    assert status == "FAILED"
    assert "switch on the capability 'Read content'" in message
    assert len(api.requests) == 1


def test_check_says_that_nothing_is_shared_and_how_to_share(workspace: Workspace, api: StandIn) -> None:
    status, message = check(**CONFIG)

    assert status == "FAILED"
    assert "nothing is shared with this connection" in message
    assert "Connections, add this connection" in message
    assert len(api.requests) == 1


def test_check_says_that_notion_is_not_reachable(api: StandIn, naps: list[float]) -> None:
    with environment({"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}):
        status, message = check(**CONFIG)

    assert status == "FAILED"
    assert "Notion cannot be reached at https://api.notion.com." in message
    assert sum(naps) < 10


def test_check_says_what_to_do_about_an_authority_that_python_3_13_refuses(
    api: StandIn, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SSLError("certificate verify failed: CA cert does not include key usage extension (_ssl.c:1032)")

    monkeypatch.setattr(HTTPAdapter, "send", refuse)

    status, message = check(**CONFIG)

    assert status == "FAILED"
    assert "certificate authority lacks keyUsage: renew it, or use Python 3.12 or older." in message
    assert "firewall" not in message


def test_a_token_at_the_top_level_as_in_very_old_configurations_still_works(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")

    assert check(access_token=api.token) == ("SUCCEEDED", None)
    assert sync("pages", credentials=None, access_token=api.token).ids("pages") == [page]


FUTURE = (datetime.now(timezone.utc) + timedelta(days=2)).strftime("%Y-%m-%dT00:00:00.000Z")
BAD_START_DATES = {
    "malformed": ("yesterday", "does not match"),
    "without milliseconds": ("2026-01-01T00:00:00Z", "does not match"),
    "impossible": ("2026-02-30T00:00:00.000Z", "'2026-02-30T00:00:00.000Z' is not a possible date"),
    "of another age": ("0026-01-01T00:00:00.000Z", "is not a possible date"),
    "an impossible hour": ("2026-02-03T25:00:00.000Z", "is not a possible date"),
    "future": (FUTURE, f"The start date '{FUTURE}' is in the future"),
}


@pytest.mark.parametrize("case", BAD_START_DATES)
def test_a_bad_start_date_is_refused_by_check_discover_and_read(api: StandIn, case: str) -> None:
    start_date, sentence = BAD_START_DATES[case]

    status, message = check(**{**CONFIG, "start_date": start_date})
    assert (status, sentence in message) == ("FAILED", True)
    discovered = run("discover", {**CONFIG, "start_date": start_date})
    assert any(sentence in error.trace.error.message for error in discovered.errors)
    assert sentence in sync("pages", start_date=start_date).errors[""]
    assert api.requests == []


@pytest.mark.parametrize("num_workers", [0, 21, "many"])
def test_an_impossible_number_of_workers_is_refused(api: StandIn, num_workers: object) -> None:
    status, message = check(**CONFIG, num_workers=num_workers)

    assert status == "FAILED"
    assert str(num_workers) in message
    assert api.requests == []


def test_oauth_without_a_refresh_token_just_uses_the_access_token(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")

    assert sync("pages", credentials=oauth()).ids("pages") == [page]
    assert api.count("POST /v1/oauth/token") == 0

    api.token = "another"
    assert "Notion does not accept the access token" in (sync("pages", credentials=oauth()).errors["pages"])
    assert api.count("POST /v1/oauth/token") == 0


def test_oauth_with_a_refresh_token_refreshes_once_and_hands_the_rotated_pair_back(
    workspace: Workspace, api: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(30)]
    first_refresh_token = api.refresh_token
    credentials = oauth(expired_token(), refresh_token=first_refresh_token)

    result = sync("users", "pages", "blocks", "comments", credentials=credentials, num_workers=10)

    assert result.errors == {}
    assert sorted(result.ids("pages")) == sorted(pages)
    assert api.count("POST /v1/oauth/token") == 1
    (refresh,) = [request for request in api.requests if request.path == "/v1/oauth/token"]
    assert refresh.body == {"grant_type": "refresh_token", "refresh_token": first_refresh_token}
    (control,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"CONNECTOR_CONFIG"' in line]
    assert control["control"]["connectorConfig"]["config"] == {
        **CONFIG,
        "num_workers": 10,
        "credentials": oauth(api.token, refresh_token=api.refresh_token),
    }
    assert api.refresh_token != first_refresh_token


def test_a_refresh_during_the_check_saves_nothing_of_the_check(
    workspace: Workspace, api: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.add_page(title="Home")
    credentials = oauth(expired_token(), refresh_token=api.refresh_token)

    assert check(credentials=credentials) == ("SUCCEEDED", None)

    (control,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"CONNECTOR_CONFIG"' in line]
    assert set(control["control"]["connectorConfig"]["config"]) == {"credentials"}


def test_a_refresh_that_notion_cannot_make_is_tried_once_for_all_that_need_it(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    for number in range(100):
        workspace.add_block(workspace.add_page(title=str(number)), text="Text")
    credentials = oauth(refresh_token=api.refresh_token)
    expired = error(401, "unauthorized", "API token is invalid.")
    api.answer(on("GET", "/v1/blocks/.*", expired))
    api.answer(on("POST", "/v1/oauth/token", error(500, "internal_server_error", "Unexpected.")))

    result = sync("blocks", credentials=credentials)

    assert "the token refresh failed" in result.errors["blocks"]
    # The runtime tries a refresh for five minutes, and each page would try it again.
    assert sum(naps) < 2 * 300
    # Each of 50 partitions, and those of other workers meanwhile, asks again with the old token.
    assert api.count("GET /v1/blocks/{id}/children") <= 2 * (50 + 10)


def test_a_refresh_token_that_was_used_up_asks_to_authenticate_again(workspace: Workspace, api: StandIn) -> None:
    workspace.add_page(title="Home")
    credentials = oauth(expired_token(), refresh_token="used-up")

    status, message = check(credentials=credentials)

    assert status == "FAILED"
    assert "Re-authenticate this source's credentials" in message


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (error(400, "invalid_grant", "The refresh token is invalid."), "Re-authenticate this source's credentials"),
        (error(401, "unauthorized", "Client authentication failed."), "Correct them in this source's settings."),
        (Answer(401, {"error": "invalid_client"}), "Correct them in this source's settings."),
        (Answer(400, {"error": "invalid_client"}), "Correct them in this source's settings."),
        (Answer(400, {"error": "invalid_request"}), "Notion gives no new access token (invalid_request)."),
        (Answer(200, {}), "the token refresh failed"),
        (Answer(200, {"access_token": "", "refresh_token": "nrt_new"}), "the token refresh failed"),
        (Answer(200, '{"refresh_token": "nrt_new", "access_token": "ntn_new", "bot'), "the token refresh failed"),
        (Answer(200, {"access_token": None}), "the token refresh failed"),
        (Answer(200, "<html>Please log in</html>"), "the token refresh failed"),
        (Answer(403, "<html>Blocked</html>"), "the token refresh failed"),
    ],
)
def test_a_refresh_that_gives_no_token_saves_nothing_and_says_what_to_do(
    workspace: Workspace, api: StandIn, naps: list[float], capsys: Any, answer: Answer, sentence: str
) -> None:
    workspace.add_page(title="Home")
    api.answer(on("POST", "/v1/oauth/token", answer))

    result = sync("pages", credentials=oauth(expired_token(), refresh_token=api.refresh_token))

    assert sentence in result.errors["pages"]
    printed = capsys.readouterr()
    assert not [text for text in ("CONNECTOR_CONFIG", "_new") if text in printed.out + printed.err + result.output]


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_refresh_token_goes_to_no_other_host_and_its_answer_is_not_waited_for_without_end(
    workspace: Workspace, api: StandIn, naps: list[float], monkeypatch: Any, status: int
) -> None:
    workspace.add_page(title="Home")
    api.answer(on("POST", "/v1/oauth/token", Answer(status, "", {"Location": "https://example.com/"})))
    sent: list[tuple[str, Any]] = []
    send = HTTPAdapter.send

    def note(adapter: Any, request: Any, **how: Any) -> Any:
        sent.append((request.url, how["timeout"]))
        return send(adapter, request, **how)

    monkeypatch.setattr(HTTPAdapter, "send", note)

    result = sync("pages", credentials=oauth(expired_token(), refresh_token=api.refresh_token))

    assert "the token refresh failed" in result.errors["pages"]
    assert {url.split("/")[2] for url, _ in sent} == {"api.notion.com"}
    assert all(min(timeout) > 0 for _, timeout in sent)


SECRETS = [
    "credentials.OAuth2.0.access_token",
    "credentials.OAuth2.0.client_id",
    "credentials.OAuth2.0.client_secret",
    "credentials.OAuth2.0.refresh_token",
    "credentials.token.token",
    "access_token",
]


def settings_in(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All settings of a specification with their paths; of a choice, under what chooses it."""
    for name, setting in properties.items():
        yield path + name, setting
        for option in setting.get("oneOf", []):
            inner = option["properties"]
            (choice,) = (each["const"] for each in inner.values() if "const" in each)
            yield from settings_in(inner, f"{path}{name}.{choice}.")


def test_every_secret_of_the_specification_is_marked_and_nothing_else() -> None:
    (message,) = run("spec").get_message_by_types([Type.SPEC])
    specification = message.spec.connectionSpecification

    marked = [path for path, setting in settings_in(specification["properties"]) if setting.get("airbyte_secret")]

    assert sorted(marked) == sorted(SECRETS)


@pytest.mark.parametrize("debug", [False, True])
def test_the_token_never_appears_in_any_output(
    workspace: Workspace, api: StandIn, naps: list[float], debug: bool, caplog: Any, capsys: Any
) -> None:
    page = workspace.add_page(title="Home")
    workspace.add_block(page, text="Text")
    api.answer(times(2, on("GET", ".*", Answer(500, "no"))))
    workspace.capabilities.remove("read_comments")
    expired = expired_token()
    credentials = oauth(expired, refresh_token=api.refresh_token)

    first = sync("users", "blocks", "comments", credentials=credentials, debug=debug)
    printed = capsys.readouterr()
    lines = (first.output + printed.out + printed.err + caplog.text).splitlines()

    secrets = (expired, "sample-secret", api.token)
    leaks = [
        line
        for line in lines
        for secret in secrets
        if secret in line and '"CONNECTOR_CONFIG"' not in line  # which hands the pair back
    ]
    assert leaks == []
    assert len(first.ids("blocks")) == 1


def test_a_redirect_to_another_host_does_not_carry_the_token(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    workspace.add_page(title="Home")
    elsewhere = Answer(307, "", {"Location": "https://example.com/v1/search"})
    api.answer(on("POST", "/v1/search", elsewhere))

    result = sync("pages")

    # The stand-in is the only way out, and it refuses to connect to another host.
    assert result.records == {}
    assert result.errors["pages"]
    assert {request.path for request in api.requests} == {"/v1/search"}


def test_no_setting_leads_the_token_to_another_host(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")

    result = sync("pages", base_url="https://example.com", url="https://example.com", host="x")

    assert result.ids("pages") == [page]


def test_file_links_that_notion_signs_are_not_logged(
    workspace: Workspace, api: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    page = workspace.add_page(title="Home")
    workspace.add_block(page, "image", hosted="greenhouse.png")

    result = sync("blocks", debug=True)

    (image,) = result.records["blocks"]
    link = image["image"]["file"]["url"]
    signature = link.split("X-Amz-Signature=")[1]
    assert signature not in caplog.text + result.output.replace(json.dumps(link)[1:-1], "")
    bodies = [entry.body for entry in caplog.records if hasattr(entry, "body")]
    assert any("greenhouse.png?..." in body for body in bodies)


def test_a_new_access_token_is_in_no_log(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")
    credentials = oauth(expired_token(), refresh_token=api.refresh_token)
    api.answer(on("GET", f"/v1/blocks/{page}/children", lambda _: error(404, "object_not_found", f"Not {api.token}.")))

    result = sync("pages", "blocks", credentials=credentials)

    (warning,) = (each for each in result.warnings if page in each)
    assert "Not ****." in warning


def test_the_earliest_start_date_is_possible(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")

    assert check(**{**CONFIG, "start_date": "1970-01-01T00:00:00.000Z"}) == ("SUCCEEDED", None)
    assert sync("pages", start_date="1970-01-01T00:00:00.000Z").ids("pages") == [page]


def test_a_start_date_later_today_is_in_the_future(workspace: Workspace, api: StandIn, clock: Clock) -> None:
    workspace.add_page(title="Home")
    noon = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0)
    clock.stand_still_at(noon)
    soon = (noon + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    status, message = check(**{**CONFIG, "start_date": soon})

    assert (status, "is in the future" in message) == ("FAILED", True)


def test_check_looks_for_the_pages_of_the_scope_although_only_search_is_to_be_asked(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.add_page(title="Home")

    status, message = check(**CONFIG, page_discovery="search", root_pages=["0123456789abcdef0123456789abcdef"])

    assert (status, "is not shared with this connection" in message) == ("FAILED", True)


def test_a_configuration_that_is_missing_is_named() -> None:
    with pytest.raises(SystemExit, match=r"The configuration /missing\.json cannot be read: No such file"):
        source_notion(["check", "--config", "/missing.json"])
