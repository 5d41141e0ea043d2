"""A check of the configuration that JSON schema cannot make."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from source_notion.objects import config_error


def refuse_impossible_start_date(config: Mapping[str, Any]) -> None:
    """Raise a message if the start date is malformed, in no calendar, or in the future.

    A validator of the runtime would have to be a custom one, with which the Connector Builder resolves no manifest.
    """
    value = config.get("start_date")
    if value is None:
        return
    try:
        start = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except (TypeError, ValueError):
        raise config_error(
            f"The start date '{value}' is not a possible date in the form YYYY-MM-DDTHH:mm:ss.SSSZ, for example "
            "2025-11-16T00:00:00.000Z."
        ) from None
    if start > datetime.now(timezone.utc):
        raise config_error(
            f"The start date '{value}' is in the future: nothing would be read. Choose a date in the past, or leave "
            "it out to read the last two years."
        )
