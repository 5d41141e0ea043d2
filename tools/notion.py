"""Asks Notion, before a sync, which workspace a token reads and what it may not read."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from threading import Thread
from typing import Any, Optional

import requests

MANIFEST = Path(__file__).parents[1] / "source_notion" / "manifest.yaml"
SECONDS_TO_REACH_NOTION = 8
SECONDS_TO_ANSWER = 60
SECONDS_WITHOUT_ADVICE = 10  # the wait for the rate limit if Notion does not say how long

UNREACHABLE = (
    "Notion cannot be reached at https://api.notion.com. Check this machine's network, proxy, "
    "firewall and certificates."
)
WRONG_TOKEN = (
    "Notion does not accept NOTION_TOKEN: it is wrong, expired or revoked. Copy it again from the "
    "connection's settings in Notion."
)
NO_CONTENT = (
    "This connection may not read content. Switch on 'Read content' in the connection's settings "
    "in Notion, and run again."
)
NOTHING_SHARED = (
    "The token works, but nothing is shared with this connection. In Notion, open a page or "
    "database, choose ••• > Connections, add this connection, and run again. Pages under a "
    "shared page are shared too."
)
PERSON_WITHOUT_USERS = "Skipped: users. Personal access tokens cannot read users."
WITHOUT_USERS = "Skipped: users. Switch on 'Read user information' in the connection's settings."
WITHOUT_COMMENTS = "Skipped: comments. Switch on 'Read comments' in the connection's settings."


@dataclass
class Access:
    """What a token reads.

    Attributes:
        content: what it reads, in words.
        name: the workspace's, or that of the person whose personal access token it is.
        key: eight hex digits that no other workspace has.
        skipped: the streams that the token may not read.
        notes: what to do about them, one line for each reason.
    """

    content: str
    name: str
    key: str
    skipped: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def database(self) -> Path:
        """The workspace's database file in the current folder, which keeps its name if the workspace is renamed."""
        name = re.sub(r"\W+", "_", self.name.lower())[:40].strip("_") or "notion"
        file = Path(f"{name}_{self.key}.duckdb")
        return file if file.exists() else next(Path().glob(f"*_{self.key}.duckdb"), file)


def access_of(token: str) -> Access:
    """Ask Notion what a token reads; ends the program with a message if that is nothing."""
    if not re.fullmatch("[!-~]+", token):
        raise SystemExit("NOTION_TOKEN contains a character that no token has. Copy it again.")
    notion = _Notion(token)
    me = notion.ask("GET", "users/me", SECONDS_TO_REACH_NOTION)
    if me.status_code == 401:
        raise SystemExit(WRONG_TOKEN)
    user = _body(me)
    if me.status_code != 200 or user.get("object") != "user":
        reason = user.get("message", "no reason given")
        raise SystemExit(f"Notion answers with an error ({me.status_code}: {reason}). Try again later.")
    access = _named(user, token)
    _look_for_users(notion, access, is_person=user.get("type") == "person")
    _look_for_comments(notion, access)
    return access


def _named(user: dict[str, Any], token: str) -> Access:
    """Name the workspace. A personal access token is a person's, and Notion does not say in which workspace."""
    bot = user.get("bot") or {}
    if bot.get("workspace_id"):
        name = bot.get("workspace_name") or "Notion"
        return Access(name, name, bot["workspace_id"].replace("-", "")[:8])
    name = user.get("name") or "Notion"
    key = blake2b(token.encode(), digest_size=4, salt=b"source-notion").hexdigest()
    return Access(f"what {name} can see", name, key)


def _look_for_users(notion: _Notion, access: Access, is_person: bool) -> None:
    status = notion.ask("GET", "users?page_size=1").status_code
    if status == 403 or (is_person and 400 <= status < 500):
        access.skipped.add("users")
        access.notes.append(PERSON_WITHOUT_USERS if is_person else WITHOUT_USERS)


def _look_for_comments(notion: _Notion, access: Access) -> None:
    found = notion.ask("POST", "search", json={"page_size": 1})
    if found.status_code == 403:
        raise SystemExit(NO_CONTENT)
    results = _body(found).get("results")
    if results == []:
        raise SystemExit(NOTHING_SHARED)
    item = results[0] if results else {}
    is_page = item.get("object") == "page"
    block_id = item["id"] if is_page else (item.get("parent") or {}).get("database_id")
    if not block_id:  # an error, perhaps of a moment: the sync will see
        return
    if notion.ask("GET", f"comments?page_size=1&block_id={block_id}").status_code == 403:
        access.skipped |= {"comments", "block_comments"}
        access.notes.append(WITHOUT_COMMENTS)


class _Notion:
    def __init__(self, token: str) -> None:
        version = re.search('notion_version: "(.+)"', MANIFEST.read_text(encoding="utf-8"))
        self._version = version[1] if version else ""
        self._token = token

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request. A header that is given with it would lose against a `.netrc` file."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def ask(
        self,
        method: str,
        path: str,
        seconds: float = SECONDS_TO_ANSWER,
        json: Optional[dict[str, Any]] = None,
    ) -> requests.Response:
        """Send a request, again after each wait that Notion asks for, and give the answer."""

        def send() -> requests.Response:
            return requests.request(
                method,
                f"https://api.notion.com/v1/{path}",
                headers={"Notion-Version": self._version},
                auth=self._sign,
                json=json,
                timeout=seconds,
                allow_redirects=False,
            )

        while True:
            try:
                answer = _within(seconds, send)
            except (requests.RequestException, TimeoutError):
                raise SystemExit(UNREACHABLE) from None
            if answer.status_code not in (429, 529):
                return answer
            wait = _seconds(answer.headers.get("Retry-After"))
            print(f"Notion asks to slow down: waiting for {wait:.0f} seconds.", flush=True)
            time.sleep(wait)


def _within(seconds: float, send: Callable[[], requests.Response]) -> requests.Response:
    """Call a function for at most so long. A time-out of `requests` covers no look-up of a name, and one address only."""
    answer: Future[requests.Response] = Future()

    def run() -> None:
        try:
            answer.set_result(send())
        except Exception as error:
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    return answer.result(timeout=seconds)


def _seconds(advice: Optional[str]) -> float:
    try:
        return float(advice or SECONDS_WITHOUT_ADVICE)
    except ValueError:
        return SECONDS_WITHOUT_ADVICE


def _body(answer: requests.Response) -> dict[str, Any]:
    """The object that Notion answers; an empty one if the answer is none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
