"""Signing requests, and getting a new token when Notion no longer accepts the old one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging import CRITICAL, Logger
from typing import Any, Optional

from airbyte_cdk.sources.declarative.auth.oauth import DeclarativeSingleUseRefreshTokenOauth2Authenticator
from airbyte_cdk.sources.streams.http.error_handlers import ErrorHandler, ErrorResolution
from airbyte_cdk.sources.streams.http.error_handlers.response_models import SUCCESS_RESOLUTION
from airbyte_cdk.sources.streams.http.http_client import HttpClient
from airbyte_cdk.sources.streams.http.requests_native_auth import BasicHttpAuthenticator
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

from source_notion.objects import config_error, fields_of, transient_error
from source_notion.rate_limit import RateLimitGate
from source_notion.responses import ask_again
from source_notion.shared import SharedInSync

NO_ANSWER = "Notion gave no answer to a request for a new access token."
# What Notion answers to tokens and clients that it does not accept.
REFUSED = (400, 401)


class TokenRefresh(SharedInSync):
    """Remembers that there is no new token, and why: each request would try again for five minutes."""

    _failure: Optional[Exception] = None

    def tokens(self, request: Callable[[], Any]) -> Any:
        if self._failure:
            raise self._failure.with_traceback(None)
        try:
            return request()
        except Exception as error:
            self._failure = error
            raise


class TokenErrorHandler(ErrorHandler):
    """Asks for tokens until Notion answers. The runtime's handlers would log the answer."""

    max_retries = 20
    max_time = 300  # seconds

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        status = getattr(response_or_exception, "status_code", 500)
        if status < 400 or status in REFUSED:
            return SUCCESS_RESOLUTION
        return ask_again(NO_ANSWER)


def _tokens_in(response: Any) -> tuple[str, None, Optional[str]]:
    """The access token of an answer, its expiry date, which Notion does not say, and the refresh token."""
    try:
        body = fields_of(response.json())
    except ValueError:
        body = {}
    reason = str(body.get("error") or body.get("code"))
    if response.status_code == 401 or reason == "invalid_client":
        raise config_error(
            "Notion does not accept the client ID and the client secret. Correct them in this source's settings."
        )
    if reason == "invalid_grant":
        raise config_error(
            "Notion does not accept the refresh token: it is wrong, expired, revoked, or another source has used it. "
            "Re-authenticate this source's credentials in its settings."
        )
    if response.status_code in REFUSED:
        raise config_error(f"Notion gives no new access token ({reason}). Re-authenticate this source's credentials.")
    if not isinstance(body.get("access_token"), str) or not body["access_token"]:
        raise transient_error(NO_ANSWER)
    add_to_secrets(body["access_token"])
    return body["access_token"], None, body.get("refresh_token")


@dataclass(repr=False)  # its configuration holds the token
class NotionAuthenticator(DeclarativeSingleUseRefreshTokenOauth2Authenticator):
    """Signs requests with the access token and the API's version, and waits for the rate limit before each attempt.

    Notion does not say when a token expires, so the error handler asks for a refresh on a 401. A refresh token works
    once: the new pair goes back to the platform as a CONNECTOR_CONFIG message. The runtime's SelectiveAuthenticator
    fails before it can say that credentials are missing, and its OAuth authenticators go by expiry dates.
    https://developers.notion.com/reference/refresh-a-token
    """

    config: Mapping[str, Any]
    # For each `credentials.auth_type`, where the access token is in the configuration.
    access_token_paths: Mapping[str, list[str]]
    token_refresh_endpoint: str  # the address that takes the refresh token
    notion_version: str  # the version of the API

    def __post_init__(self) -> None:
        self._gate = RateLimitGate.of(self.config)
        self._refresh = TokenRefresh.of(self.config)
        auth_type = (self.config.get("credentials") or {}).get("auth_type", "none")
        # What the platform may save; the nested credentials stay shared, so that all streams see the newest pair.
        saved = {key: value for key, value in self.config.items() if key != "checking" and not key.startswith("__")}
        super().__init__(
            saved,
            self.token_refresh_endpoint,
            access_token_config_path=self.access_token_paths[auth_type],
        )

    def __call__(self, request: Any) -> Any:
        """Sign a request when it may be sent: the runtime calls this before each attempt."""
        self._gate.wait()
        request.hooks["response"] = [self._gate.insist]
        return super().__call__(request)

    def get_auth_header(self) -> Mapping[str, Any]:
        """The headers of each request; as `request_headers`, the version would be rendered each time."""
        return {**super().get_auth_header(), "Notion-Version": self.notion_version}

    def get_access_token(self) -> str:
        """The token, for as long as Notion accepts it."""
        token = self.access_token
        if not token:
            raise config_error(
                "There are no credentials in this source's settings. Choose an authentication method "
                "and give the access token of your Notion connection."
            )
        if not re.fullmatch("[!-~]+", token):  # such a header would be refused by an error that quotes it
            raise config_error(
                "The access token contains a space, a line break or another character that no token has. "
                "Copy the whole token again, with nothing around it."
            )
        return token

    def set_token_expiry_date(self, new_token_expiry_date: Any) -> None:
        """Notion gives no expiry date, so none is kept."""

    def refresh_access_token(self) -> Any:
        """A new pair of tokens; the runtime lets one stream at a time ask for it, and the others take what it got."""
        return self._refresh.tokens(self._request_tokens)

    def _request_tokens(self) -> tuple[str, None, Optional[str]]:
        """The runtime's own request may wait for ever, and follows a redirect with the refresh token."""
        if not self.get_refresh_token():
            raise config_error(
                "Notion does not accept the access token: it is wrong, expired or revoked. Put a "
                "valid token into this source's settings, or authenticate again."
            )
        _, response = HttpClient(
            name="token",
            logger=Logger("token", CRITICAL),  # the runtime logs tokens when it debugs
            error_handler=TokenErrorHandler(),
            authenticator=BasicHttpAuthenticator(self.get_client_id(), self.get_client_secret()),
        ).send_request(
            "POST",
            self.token_refresh_endpoint,
            {"timeout": (20, 90), "allow_redirects": False},
            headers={"Notion-Version": self.notion_version},
            json={"grant_type": "refresh_token", "refresh_token": self.get_refresh_token()},
        )
        return _tokens_in(response)
