"""Signing requests, and getting a new token when Notion no longer accepts the old one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from logging import CRITICAL, Logger
from typing import Any, Optional

from airbyte_cdk.sources.declarative.auth.oauth import DeclarativeSingleUseRefreshTokenOauth2Authenticator
from airbyte_cdk.sources.streams.http.error_handlers import ErrorHandler, ErrorResolution
from airbyte_cdk.sources.streams.http.error_handlers.response_models import SUCCESS_RESOLUTION
from airbyte_cdk.sources.streams.http.http_client import HttpClient
from airbyte_cdk.sources.streams.http.requests_native_auth import BasicHttpAuthenticator
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

from source_notion.objects import config_error, fields_of
from source_notion.rate_limit import RateLimitGate
from source_notion.responses import ask_again
from source_notion.shared import SharedInSync

REFUSED = (400, 401)


class TokenRefresh(SharedInSync):
    """Remembers why there is no token that Notion accepts: each request would try for five minutes to get one."""

    failure: Optional[Exception] = None


class TokenErrorHandler(ErrorHandler):
    """Asks for tokens until Notion gives some, or refuses. The runtime's handlers log what a refusal holds."""

    max_retries = 20
    max_time = 300  # seconds

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        if getattr(response_or_exception, "status_code", None) in REFUSED or _tokens_in(response_or_exception):
            return SUCCESS_RESOLUTION
        return ask_again("Notion did not answer a request for a new access token.")


def _tokens_in(response: Any) -> Mapping[str, Any]:
    """The body of an answer, if it holds an access token."""
    try:
        tokens = fields_of(response.json() if response.status_code == 200 else None)
    except (AttributeError, ValueError):  # no answer, or no JSON
        tokens = {}
    return tokens if isinstance(tokens.get("access_token"), str) else {}


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
        if self._refresh.failure:
            raise self._refresh.failure.with_traceback(None)
        try:
            return self._request_tokens()
        except Exception as error:
            self._refresh.failure = error
            raise

    def _request_tokens(self) -> tuple[str, None, Optional[str]]:
        """Both tokens. The runtime's own request may wait for ever, and follows a redirect with the refresh token."""
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
        tokens = _tokens_in(response)
        if not tokens and (response.status_code == 401 or "invalid_client" in response.text):
            raise config_error(
                "Notion does not accept the client ID and the client secret. Correct them in this source's settings."
            )
        if not tokens:
            raise config_error(
                "Notion does not accept the refresh token: it is wrong, expired, revoked, or another source has used it. "
                "Re-authenticate this source's credentials in its settings."
            )
        add_to_secrets(tokens["access_token"])
        return tokens["access_token"], None, tokens.get("refresh_token")
