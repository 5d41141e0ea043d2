"""Checks of the configuration that JSON schema cannot make; `config_normalization_rules` in the manifest names them."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airbyte_cdk.sources.declarative.transformations.config_transformations.config_transformation import (
    ConfigTransformation,
)
from airbyte_cdk.sources.declarative.validators.validation_strategy import ValidationStrategy

from source_notion.objects import config_error


@dataclass
class WithoutNulls(ConfigTransformation):
    """Takes a setting that is null for one that is left out, and credentials that are none for no credentials.

    The runtime would show malformed credentials in its error.
    """

    def transform(self, config: MutableMapping[str, Any]) -> None:
        if not isinstance(config.get("credentials"), dict):
            config.pop("credentials", None)
        for settings in (config, config.get("credentials", {})):
            for name in [name for name, value in settings.items() if value is None]:
                del settings[name]


@dataclass
class PossibleStartDate(ValidationStrategy):
    """Refuses a start date that is malformed, in no calendar, or in the future."""

    def validate(self, value: Any) -> None:
        try:
            start = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        except (TypeError, ValueError):
            raise config_error(
                f"The start date '{value}' is not a possible date in the form YYYY-MM-DDTHH:mm:ss.SSSZ, for example "
                "2025-11-16T00:00:00.000Z."
            ) from None
        if start > datetime.now(timezone.utc):
            raise config_error(
                f"The start date '{value}' lies in the future: nothing would be read. Choose a date in the past, or "
                "leave it out to read the last two years."
            )
