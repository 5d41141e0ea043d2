"""Shapes of records that differ from those of the API, and which records count as new."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.transformations import RecordTransformation

from source_notion.objects import edited_at, fields_of


class PropertiesAsArray(RecordTransformation):
    """`{"Name": {…}}` becomes `[{"name": "Name", "value": {…}}]`, in the order of the API.

    People change the names of properties; as an array, properties fit one column.
    """

    def transform(self, record: dict[str, Any], *_: Any, **__: Any) -> None:
        record["properties"] = [
            {"name": name, "value": value} for name, value in fields_of(record.get("properties")).items()
        ]


@dataclass
class NewComments(RecordFilter):
    """Keeps the comments since the state, and all comments of a page that may have older ones.

    A comment does not touch its page, so comments are asked for on each page. Those of a page that was edited since the
    state, or of which something may be missing, may be older than the state.
    """

    start_date: str = ""  # comments before it are never kept

    @cached_property
    def _start(self) -> str:
        return str(InterpolatedString.create(self.start_date, parameters={}).eval(self.config))

    def filter_records(
        self, records: Iterable[Mapping[str, Any]], stream_state: Any, stream_slice: Any = None, *_: Any, **__: Any
    ) -> Iterable[Mapping[str, Any]]:
        page, since = stream_slice.extra_fields, stream_slice["start_time"]
        if page["may_have_gaps"] or edited_at(page) >= since:
            since = min(since, self._start)
        for record in records:
            if edited_at(record) >= since:  # of a comment without a time, the retriever may have to warn
                yield record
