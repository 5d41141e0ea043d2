"""Signing requests, and getting a new token when Notion no longer accepts the old one."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from airbyte_cdk.sources.declarative.auth.oauth import DeclarativeSingleUseRefreshTokenOauth2Authenticator

from source_notion.objects import config_error
from source_notion.rate_limit import RateLimitGate
from source_notion.responses import limit_duration
from source_notion.shared import SharedInSync


class TokenRefresh(SharedInSync):
    """Remembers a refresh that failed: the runtime tries for five minutes, and each request would try again."""

    failure: Optional[Exception] = None


@dataclass(repr=False)  # its configuration holds the token
class NotionAuthenticator(DeclarativeSingleUseRefreshTokenOauth2Authenticator):
    """Signs requests with the access token and the API's version, and waits for the rate limit before each attempt.

    Notion does not say when a token expires, so the error handler asks for a refresh on a 401. A refresh token works
    once: the new pair goes back to the platform as a CONNECTOR_CONFIG message. The runtime's SelectiveAuthenticator
    fails before it can say that credentials are missing, and its OAuth authenticators go by expiry dates.
    https://developers.notion.com/reference/refresh-a-token

    Attributes:
        access_token_paths: for each `credentials.auth_type`, where the access token is in the configuration.
        token_refresh_endpoint: the address that takes the refresh token.
        notion_version: the version of the API.
    """

    config: Mapping[str, Any]
    access_token_paths: Mapping[str, list[str]]
    token_refresh_endpoint: str
    notion_version: str

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
            refresh_token_error_status_codes=(400,),
            refresh_token_error_key="error",
            refresh_token_error_values=("invalid_grant",),
        )

    def __call__(self, request: Any) -> Any:
        """Sign a request when it may be sent: the runtime calls this before each attempt."""
        self._gate.wait()
        if limit_duration not in request.hooks["response"]:
            request.register_hook("response", limit_duration)
        return super().__call__(request)

    def update_from_response(self, request: Any, response: Any) -> None:
        """Take note of an answer: the runtime's protocol `ResponseAwareAuthenticator`."""
        self._gate.update(request, response)

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
        if not self.get_refresh_token():
            raise config_error(
                "Notion does not accept the access token: it is wrong, expired or revoked. Put a "
                "valid token into this source's settings, or authenticate again."
            )
        if self._refresh.failure:
            raise self._refresh.failure.with_traceback(None)
        try:
            return super().refresh_access_token()
        except Exception as error:
            self._refresh.failure = error
            raise

    def get_refresh_request_headers(self) -> Mapping[str, Any]:
        client = b64encode(f"{self.get_client_id()}:{self.get_client_secret()}".encode()).decode()
        return {
            "Authorization": f"Basic {client}",
            "Content-Type": "application/json",
            "Notion-Version": self.notion_version,
        }

    def build_refresh_request_body(self) -> Any:
        """The body as JSON text: as a mapping, the runtime would send it as a form."""
        return json.dumps(super().build_refresh_request_body())
