"""The files of each page: a record for each, and the file itself if it is asked for."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import chain
from pathlib import Path
from typing import Any, Optional
from urllib.parse import unquote, urlsplit

from airbyte_cdk.models import AirbyteRecordMessageFileReference
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.sources.utils.files_directory import get_files_directory

from source_notion.components import BlockTreeRetriever
from source_notion.downloads import NotFetched, Refused, fetch, path_for
from source_notion.objects import UNDATED, fields_of, in_notion_format, reason_of, transient_error
from source_notion.retriever import RecordsOfResponse, with_extra


def files_of(item: Mapping[str, Any], page_id: str) -> Iterator[dict[str, Any]]:
    """The files that hang on a page or a block itself: https://developers.notion.com/reference/file-object

    `id` is made of the ids of what holds the file, and its place there. `location` is `notion` or `external`.
    """
    for place, content in _places_in(item):
        file = fields_of(content.get(str(content.get("type"))))
        if content.get("type") in ("file", "external"):
            yield {
                **place,
                "page_id": page_id,
                "block_id": item["id"] if item.get("object") == "block" else None,
                "location": "notion" if content["type"] == "file" else "external",
                "name": content.get("name") or _name_in(file.get("url")),
                "url": file.get("url"),
                "expiry_time": file.get("expiry_time"),
                "last_edited_time": item.get("last_edited_time"),
            }


def _places_in(item: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """The places where a file may hang, and what is there."""
    content, kind = item, str(item.get("type"))
    if item.get("object") == "block":
        content = fields_of(item.get(kind))
        yield {"id": item["id"], "kind": kind}, content
    for kind in ("icon", "cover"):
        yield {"id": f"{item['id']}/{kind}", "kind": kind}, fields_of(content.get(kind))
    for name, value in fields_of(item.get("properties")).items():
        id, files = fields_of(value).get("id"), fields_of(value).get("files")
        for index, file in enumerate(files if isinstance(files, list) else []):
            place = {"id": f"{item['id']}/{id}/{index}", "kind": "property", "property_id": id, "property": name}
            yield place, fields_of(file)


def _name_in(link: Any) -> Optional[str]:
    with suppress(ValueError):  # people write links that are none, such as https://[company].com
        return unquote(urlsplit(str(link or "")).path.rpartition("/")[2]) or None
    return None


@dataclass
class FilesRetriever(BlockTreeRetriever):
    """Reads a page and its blocks, and gives the files on them; with `fetch_files`, fetches those that Notion stores.

    The runtime tells no component whether the catalog asks for files (`include_files`), so a setting does.
    """

    objects: Retriever = None  # type: ignore[assignment]  # gets a page or a block by its id
    file_uploader: Any = None  # the runtime's, of which only the requester is used: see `downloads.py`

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        # The runtime would hand each block to its uploader.
        self.record_selector: Any = replace(self.record_selector, parameters=parameters, file_uploader=None)

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        page_id = stream_slice.extra_fields["page_id"]
        # The page in the listing says whether there are files, but its links may be old by now.
        page = self._item("pages", page_id, stream_slice) if page_id in self.workspace.with_files else None
        is_whole = True
        for item in chain([page] if page else [], super()._read_pages(records_generator_fn, stream_slice)):
            for file in files_of(item, page_id):
                record = Record(file, self.name, stream_slice)
                if self.config.get("fetch_files") and file["location"] == "notion" and not self.is_test_read:
                    is_whole &= self._fetch_or_warn(record)
                yield record
        if not is_whole:
            raise transient_error(
                "Some of its files could not be fetched, as the warnings say. The next sync tries again."
            )

    def _item(self, endpoint: str, id: str, stream_slice: StreamSlice) -> Optional[Mapping[str, Any]]:
        of_item = with_extra(stream_slice, endpoint=endpoint, id=id)
        items: Any = self.objects.read_records({}, of_item)
        return next(iter(items), None)

    def _fetch_or_warn(self, record: Record) -> bool:
        """Fetch a file; False if the next sync is to try again."""
        what = f"the content of file {record['id']}"
        try:
            self._fetch(record)
        except NotFetched as error:
            self.skipped.warn(self.name, what, "not to be had", str(error))
        except Exception as error:
            self.skipped.warn(self.name, what, "not fetched", reason_of(error))
            return False
        return True

    def _fetch(self, record: Record) -> None:
        soon = in_notion_format(datetime.now(timezone.utc) + timedelta(minutes=1))
        is_old = str(record["expiry_time"] or UNDATED) < soon  # https://developers.notion.com/reference/file-object
        if is_old:
            self._renew(record)
        try:
            self._write(record)
        except Refused:
            if is_old or not self._renew(record):
                raise
            self._write(record)

    def _renew(self, record: Record) -> bool:
        """Ask for what holds the file once more, which gives a new link; returns whether it is still there."""
        file: Any = record.data
        endpoint, id = ("blocks", file["block_id"]) if file["block_id"] else ("pages", file["page_id"])
        item = self._item(endpoint, id, record.associated_slice)  # type: ignore[arg-type]
        files = files_of(item, file["page_id"]) if item else ()
        again = next((each for each in files if each["id"] == file["id"]), None)
        file.update(again or {})
        return again is not None

    def _write(self, record: Record) -> None:
        page_id, link = record["page_id"], record["url"]
        if not link:
            raise NotFetched("Notion gives no link to it.")
        place = self.workspace.places.get(page_id)
        above = self.lookup.path_of(page_id)["path_titles"] or []
        path = path_for([*above, (place and place.title) or ""], record["name"] or "", record["id"])
        relative = f"{self.name}/{path}"
        target = Path(get_files_directory(), relative)
        size = fetch(self.file_uploader.requester, link, target)
        record.file_reference = AirbyteRecordMessageFileReference(
            staging_file_url=str(target), source_file_relative_path=relative, file_size_bytes=size
        )
