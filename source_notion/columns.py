"""The columns of a table: what each type of property becomes."""

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import Any, NamedTuple, Optional

from source_notion.objects import fields_of, plain_text, text_of_item


class ColumnType(NamedTuple):
    """One of the columns that a type of property gives."""

    schema: Mapping[str, Any]  # the JSON schema of the column
    # Makes the column's value of the API's, which is not null; may raise what is in `MALFORMED`.
    read: Callable[[Any], Any] = lambda value: value
    suffix: str = ""  # what follows the property's name; empty for the first column of each type

    def value_of(self, value: Any) -> Any:
        """The column's value; raises one of `MALFORMED` if it would not fit the column."""
        read = None if value is None else self.read(value)
        if not _fits(read, self.schema):
            raise ValueError("The value is not of the column's type.")
        return read


class Column(NamedTuple):
    """A column of one table: its name, its type, and the property as the schema of the data source has it."""

    name: str
    type: ColumnType
    property: Mapping[str, Any]


# What reading a value raises if it has not the shape that its type promises.
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)

TEXT = {"type": ["null", "string"]}
TEXTS = {"type": ["null", "array"], "items": TEXT}
NUMBER = {"type": ["null", "number"]}
INTEGER = {"type": ["null", "integer"]}
BOOLEAN = {"type": ["null", "boolean"]}
TIME = {"type": ["null", "string"], "format": "date-time"}
# Whether a date has a time differs from row to row, and only text keeps both: as a `date-time`, each `2026-01-05` would
# become null or midnight. Destinations go by the type and leave the `anyOf` alone.
DATE_OR_TIME = {"type": ["null", "string"], "anyOf": [{"format": "date"}, {"format": "date-time"}]}

_PYTHON_TYPES = {"string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,)}
MAX_NUMBER = 1e29  # numeric(38, 9), which most warehouses make of a number, holds no larger one
_DATE_AND_TIME = r"\d{4}-\d\d-\d\d(T\d\d(:\d\d){2}(\.\d+)?(Z|[+-][01]\d:[0-5]\d)?)?"


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][1]
    if kind == "array" and isinstance(value, list):
        return all(_fits(each, schema["items"]) for each in value)
    is_too_large = isinstance(value, (int, float)) and abs(value) >= MAX_NUMBER
    return value is None or (type(value) in _PYTHON_TYPES[kind] and not is_too_large)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _rich_text(items: list[Any]) -> str:
    return "".join(map(text_of_item, items))  # type: ignore[arg-type]  # raises if one has no text


def _date_or_time(value: Optional[str]) -> Optional[str]:
    if value is not None:
        if not re.fullmatch(_DATE_AND_TIME, value, re.ASCII):
            raise ValueError("This is no date.")
        datetime.fromisoformat(value[:19])
    return value


def _time(value: str) -> Optional[str]:
    if "T" not in value:
        raise ValueError("This is a date without a time.")
    return _date_or_time(value)


def _dates(date_in: Callable[[Any], Any], first_suffix: str = "") -> tuple[ColumnType, ...]:
    """Two columns for the start and the end of the date that is somewhere in a value."""

    def side(name: str) -> Callable[[Any], Any]:
        return lambda value: None if date_in(value) is None else _date_or_time(date_in(value)[name])

    return ColumnType(DATE_OR_TIME, side("start"), first_suffix), ColumnType(DATE_OR_TIME, side("end"), "_end")


def _who(user: Mapping[str, Any]) -> str:
    """The name of a user or a group; the id if Notion does not say the name."""
    return user.get("name") or user["id"]


def _picture(icon: Mapping[str, Any]) -> Any:
    """An icon or a cover as text: the emoji, the name or the link."""
    shown = icon[icon["type"]]
    return shown if isinstance(shown, str) else shown.get("name") or shown["url"]


def _unique_id(value: Mapping[str, Any]) -> Optional[str]:
    prefix, number = value.get("prefix"), value["number"]
    return None if number is None else f"{prefix}-{number:d}" if prefix else f"{number:d}"


def _texts(value: Mapping[str, Any]) -> list[Optional[str]]:
    """What a formula or a rollup holds, as the texts of its elements."""
    kind, held = value["type"], value[value["type"]]
    if kind in ("unsupported", "incomplete"):
        raise ValueError("Notion did not compute it.")
    if kind == "array":
        return [text for element in held for text in _texts(element)]
    if held is None:
        return [None]
    if kind == "date":
        return ["/".join(side for side in (held["start"], held["end"]) if side) or None]
    if kind in PROPERTY_TYPES:
        held = PROPERTY_TYPES[kind][0].read(held)
    items = held if isinstance(held, list) else [held]
    return [item if item is None or isinstance(item, str) else _json(item).removesuffix(".0") for item in items]


def _text(value: Mapping[str, Any]) -> Optional[str]:
    texts = [text for text in _texts(value) if text is not None]
    return ", ".join(texts) if texts else None


_OF_ANY_TYPE = (ColumnType(TEXT, _json),)
_DATE_ROLLUP = _dates(lambda rollup: rollup["date"])
_NUMERIC_FUNCTIONS = (
    "count count_values count_per_group unique empty not_empty checked unchecked percent_checked percent_unchecked "
    "percent_empty percent_not_empty percent_per_group sum average median min max range"
)

# https://developers.notion.com/reference/property-object
PROPERTY_TYPES: Mapping[str, tuple[ColumnType, ...]] = {
    **dict.fromkeys(["title", "rich_text"], (ColumnType(TEXT, _rich_text),)),
    **dict.fromkeys(["url", "email", "phone_number"], (ColumnType(TEXT),)),
    **dict.fromkeys(["select", "status"], (ColumnType(TEXT, lambda option: option["name"]),)),
    **dict.fromkeys(["created_time", "last_edited_time"], (ColumnType(TIME, _time),)),
    **dict.fromkeys(
        ["created_by", "last_edited_by"], (ColumnType(TEXT, _who), ColumnType(TEXT, lambda user: user["id"], "_id"))
    ),
    "number": (ColumnType(NUMBER),),
    "unique_id": (ColumnType(TEXT, _unique_id), ColumnType(INTEGER, lambda value: value["number"], "_number")),
    "checkbox": (ColumnType(BOOLEAN),),
    "multi_select": (ColumnType(TEXTS, lambda options: [option["name"] for option in options]),),
    "date": _dates(lambda date: date),
    "people": (
        ColumnType(TEXTS, lambda users: [_who(user) for user in users]),
        ColumnType(TEXTS, lambda users: [user["id"] for user in users], "_ids"),
    ),
    "relation": (ColumnType(TEXTS, lambda pages: [page["id"] for page in pages]),),
    "files": (
        ColumnType(TEXTS, lambda files: [file["name"] for file in files]),
        ColumnType(TEXTS, lambda files: [file[file["type"]]["url"] for file in files], "_links"),
    ),
    "verification": (
        ColumnType(TEXT, lambda value: value["state"]),
        ColumnType(TEXT, lambda value: value["verified_by"] and _who(value["verified_by"]), "_by"),
        ColumnType(TEXT, lambda value: (value["verified_by"] or {}).get("id"), "_by_id"),
        *_dates(lambda value: value["date"], first_suffix="_start"),
    ),
    "place": (
        ColumnType(TEXT, lambda place: place.get("name") or place.get("address")),
        ColumnType(TEXT, lambda place: place.get("address"), "_address"),
        ColumnType(NUMBER, lambda place: place["lat"], "_lat"),
        ColumnType(NUMBER, lambda place: place["lon"], "_lon"),
    ),
    # The schema of a formula holds its expression, but not the type of its results.
    "formula": (ColumnType(TEXT, _text),),
    # The function of a rollup says the type of its results; a function that is not here may give any.
    "rollup": (ColumnType(TEXT, _text),),
    **{f"rollup {each}": _DATE_ROLLUP for each in ("earliest_date", "latest_date", "date_range")},
    **{f"rollup {each}": (ColumnType(TEXTS, _texts),) for each in ("show_original", "show_unique")},
    **{f"rollup {each}": (ColumnType(NUMBER, lambda rollup: rollup["number"]),) for each in _NUMERIC_FUNCTIONS.split()},
}

# What a row has beside its properties, under the API's names.
ROW_FIELDS: Mapping[str, ColumnType] = {
    "id": ColumnType({"type": "string"}),
    **dict.fromkeys(["created_time", "last_edited_time"], ColumnType({"type": "string", "format": "date-time"})),
    **dict.fromkeys(["created_by", "last_edited_by"], ColumnType(TEXT, lambda user: user["id"])),
    **dict.fromkeys(["url", "public_url"], ColumnType(TEXT)),
    **dict.fromkeys(["in_trash", "is_archived", "is_locked"], ColumnType(BOOLEAN)),
    **dict.fromkeys(["icon", "cover"], ColumnType(TEXT, _picture)),
}


# What PostgreSQL keeps of a name, the least of all warehouses, in bytes:
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
MAX_NAME = 63
# What PostgreSQL and Redshift have in every table already.
SYSTEM_COLUMNS = ("cmax", "cmin", "ctid", "oid", "tableoid", "xmax", "xmin")
# How the names begin that Airbyte adds, and those that BigQuery keeps for itself:
# https://cloud.google.com/bigquery/docs/schemas#column_names
RESERVED_BEGINNING = re.compile(
    "_+(airbyte_|ab_|table_|file_|partition|row_timestamp|root__|colidentifier|change_(type|timestamp|sequence_number))"
)


def columns_of(properties: Mapping[str, Mapping[str, Any]]) -> list[Column]:
    """The columns of a data source's `properties`, in their order.

    A column has the name of its property. If a warehouse would refuse it, cut it or take it for another column, all
    columns of the property carry the property's id, and so does every column that then collides.
    """
    whole = [
        each
        for each in map(fields_of, properties.values())
        if all(isinstance(each.get(key), str) for key in ("id", "name", "type"))
    ]
    with_id = {each["id"] for each in whole if any(_is_refused(column.name) for column in _columns(each, False))}
    while True:
        columns = [column for each in whole for column in _columns(each, each["id"] in with_id)]
        kept = [{name.lstrip("_") for name in _foldings(column.name)} for column in columns]
        uses = Counter([*ROW_FIELDS, *SYSTEM_COLUMNS, *chain(*kept)])
        colliding = {
            column.property["id"]
            for column, names in zip(columns, kept, strict=True)
            if max(uses[name] for name in names) > 1
        }
        if colliding <= with_id:
            return columns
        with_id |= colliding


def rollups_of(properties: Mapping[str, Mapping[str, Any]]) -> Mapping[str, list[str]]:
    """The names of the rollups over each relation, by the relation's id, which is not quoted as it is in `id`."""
    rollups: dict[str, list[str]] = defaultdict(list)
    for each in map(fields_of, properties.values()):
        rollups[str(fields_of(each.get("rollup")).get("relation_property_id"))].append(f"'{each.get('name')}'")
    return rollups


def _columns(property: Mapping[str, Any], with_id: bool) -> Iterator[Column]:
    function = fields_of(property.get("rollup")).get("function")
    types = PROPERTY_TYPES.get(f"rollup {function}") or PROPERTY_TYPES.get(property["type"]) or _OF_ANY_TYPE
    name = property["name"]
    if with_id:
        name = _with_id(name, property["id"], max((each.suffix for each in types), key=len))
    for column_type in types:
        yield Column(name + column_type.suffix, column_type, property)


def _with_id(name: str, id: str, suffix: str) -> str:
    """A name and an id, or the digest of a very long one; the name is cut so that a suffix has room."""
    raw = id.encode(errors="surrogatepass")
    tail = "_" + (raw.hex() if len(raw) <= 24 else sha256(raw).hexdigest()[:16])
    if any(map(RESERVED_BEGINNING.match, _foldings(name + tail))):
        name = re.sub("^[^A-Za-z0-9]+", "", name)
    name = name[:MAX_NAME]
    while name and _size(name + tail + suffix) > MAX_NAME:
        name = name[:-1]
    return name + tail


def _is_refused(name: str) -> bool:
    """Whether a warehouse would cut a name, keep it for itself, or find neither letter nor digit in it."""
    return _size(name) > MAX_NAME or any(
        RESERVED_BEGINNING.match(each) or not each.strip("_") for each in _foldings(name)
    )


def _size(name: str) -> int:
    return max(len(name.encode(errors="surrogatepass")), *map(len, _foldings(name)))


def _foldings(name: str) -> set[str]:
    """What warehouses make of a name: small letters and digits, and `_` for all else and before a first digit.

    They differ in what they make of accents and of several blanks, and Snowflake writes ß as SS.
    """
    plain = _without_accents(name)
    spellings = (name, name.upper(), plain, "".join(c for c in plain if unicodedata.category(c)[0] != "M"))
    return {
        re.sub("^(?=[0-9])", "_", re.sub(other, "_", each.lower()))
        for each in spellings
        for other in ("[^a-z0-9]", r"(?a)\s+|[^a-z0-9]")
    }


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def stream_name_of(data_source: Mapping[str, Any]) -> str:
    """The stream of a data source: its title to read, and its id to tell it from others.

    No longer than 53 letters: PyAirbyte adds ten for a while.
    """
    title = _without_accents(plain_text(data_source.get("title"))).lower()
    slug = re.sub("[^a-z0-9]+", "_", title).strip("_") or "untitled"
    if slug[0].isdigit():
        slug = "t_" + slug
    return f"{slug[:40].rstrip('_')}_{data_source['id'].replace('-', '')[-12:]}"


def table_schema_of(columns: Sequence[Column]) -> dict[str, Any]:
    """The JSON schema of the rows with these columns."""
    fields = {name: dict(column_type.schema) for name, column_type in ROW_FIELDS.items()}
    for column in columns:
        description = column.property.get("description") or f"Property of the type {column.property['type']}."
        fields[column.name] = {**column.type.schema, "description": description}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": True,
        "properties": fields,
    }


def row_of(page: Mapping[str, Any], columns: Sequence[Column]) -> tuple[dict[str, Any], Iterable[str]]:
    """The page as a row that fits the table's schema, whatever happened to its properties since; and the properties
    that are null in it because Notion did not compute the value, or because it does not fit the column.
    """
    row: dict[str, Any] = dict.fromkeys([*ROW_FIELDS, *(column.name for column in columns)])
    for name, column_type in ROW_FIELDS.items():
        with suppress(*MALFORMED):
            row[name] = column_type.value_of(page.get(name))
    properties: Any = page.get("properties")
    values = {str(fields_of(value).get("id") or name): value for name, value in fields_of(properties).items()}
    lost = {}
    for column in columns:
        property, property_type = column.property, column.property["type"]
        try:
            key = next((key for key in (property["id"], property["name"]) if key in values), "")
            if not key and isinstance(properties, Mapping):
                continue  # it was added or removed meanwhile
            value = values[key]
            if value["type"] != property_type:
                raise ValueError("The property's type was changed.")
            row[column.name] = column.type.value_of(value[property_type])
        except MALFORMED:
            lost[property["id"]] = f"'{property['name']}' ({property_type})"
    return row, lost.values()
