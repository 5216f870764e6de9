"""Likely types: find text columns whose values look like numbers, booleans or dates, in the first records of a stream.

Braze fixes the type of a custom attribute with its first value
(https://www.braze.com/docs/user_guide/data/activation/custom_data/managing_custom_data/), and that of a catalog's field
when the field is created.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from target_braze.mapping.values.times import to_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

# Number of records of a stream to look at. Of a hundred zip codes, one begins with 0, which rules numbers out.
SAMPLE: Final = 100

# In the order of preference; each is a value of `types`.
_TYPES: Final = ("boolean", "integer", "number", "date", "date-time")
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d{0,8})\Z", re.ASCII)
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,14})\.\d{1,15}\Z", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY_LENGTH: Final = len("2026-03-04")
# Each alone also means other things: f and t in a column of sizes or genders, no as a country.
_BOOLEANS: Final = ({"true", "false"}, {"t", "f"}, {"y", "n"}, {"yes", "no"})
_CERTAIN: Final = _BOOLEANS[0]
# Words in the names of columns whose digits are a name, not an amount.
_IDENTIFYING: Final = frozenset(
    {
        *("account", "barcode", "build", "cell", "code", "codes", "ean", "fax", "guid", "gtin", "hash", "iban", "id"),
        *("identifier", "ids", "imei", "isbn", "key", "mobile", "msisdn", "phone", "pin", "plz", "postal", "postcode"),
        *("ref", "reference", "serial", "sku", "ssn", "tel", "telephone", "token", "upc", "uuid", "version", "zip"),
        *("accountid", "customerid", "memberid", "orderid", "personid", "productid", "storeid", "userid", "zipcode"),
    }
)
# The same at the end of a name: order_number, but number_of_orders.
_IDENTIFYING_AT_END: Final = frozenset({"no", "nr", "num", "number"})
_PLAIN: Final = re.compile(r"[A-Za-z_][\w-]*\Z", re.ASCII)
# Names that YAML 1.1 reads as booleans or null.
_YAML_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class LikelyTypes:
    """Looks at the text in a stream's first records, and reports once what it looks like, without the values.

    Args:
        columns: Columns with text that `types` does not mention.
        at: Path of the stream's entry in the settings.
        zone: Time zone of times without an offset.
        notice: Shows a warning about the stream.
    """

    def __init__(self, columns: Iterable[str], at: str, zone: tzinfo, notice: Callable[[str], None]) -> None:
        self._at, self._zone, self._notice = at, zone, notice
        self._possible = {column: {*_TYPES} - _ruled_out(column) for column in columns}
        # The different booleans in a column so far, in lower case.
        self._words: dict[str, set[str]] = {}
        # Columns with a value.
        self._seen: set[str] = set()
        self._records = 0
        self.wants_more = bool(self._possible)

    def see(self, record: Mapping[str, Any]) -> None:
        """Look at a record, if it is one of the first. After the last of these, report."""
        if not self.wants_more:
            return
        self._records += 1
        for column in [*self._possible]:
            value = record.get(column)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            self._seen.add(column)
            self._possible[column] &= self._types_of(column, value.strip()) if isinstance(value, str) else set()
            if not self._possible[column]:
                del self._possible[column]
        if self._records == SAMPLE or not self._possible:
            self.report()

    def report(self) -> None:
        """Report what the records so far look like, unless that has been done."""
        if not self.wants_more:
            return
        self.wants_more = False
        found = {column: kind for column in self._possible if (kind := self._likely(column)) is not None}
        if found:
            types = ", ".join(f"{_yaml(column)}: {kind}" for column, kind in found.items())
            records = "record" if self._records == 1 else f"{self._records:,} records"
            self._notice(
                f"text in its first {records} looks like numbers, booleans or dates. Braze fixes the "
                f"type with the first value, for good. Write {self._at}.types: {{{types}}}, with string for columns "
                "that stay text"
            )

    def _types_of(self, column: str, text: str) -> set[str]:
        """Return the types that text may stand for; digits that could be part of a phone number or an id have none."""
        if _INTEGER.match(text):
            return {"integer", "number"}
        if _NUMBER.match(text):
            return {"number"}
        if any(text.casefold() in words for words in _BOOLEANS):
            self._words.setdefault(column, set()).add(text.casefold())
            return {"boolean"}
        return self._times(text) if _DATE.match(text) else set()

    def _times(self, text: str) -> set[str]:
        try:
            to_moment(text, self._zone)
        except ValueError:
            return set()
        return {"date", "date-time"} if len(text) == _DAY_LENGTH else {"date-time"}

    def _likely(self, column: str) -> str | None:
        if column not in self._seen:
            return None
        kind = next(kind for kind in _TYPES if kind in self._possible[column])
        if kind == "boolean":
            words = self._words[column]
            return kind if words <= _CERTAIN or words in _BOOLEANS else None
        return kind


def _ruled_out(column: str) -> set[str]:
    """Return the types that a column with this name does not have, whatever its values look like."""
    words = [word.lower() for word in _WORD.findall(column)]
    is_identifier = not (_IDENTIFYING.isdisjoint(words) and _IDENTIFYING_AT_END.isdisjoint(words[-1:]))
    return {"integer", "number"} if is_identifier else set()


def _yaml(name: str) -> str:
    """Return a name as a key in one line of YAML."""
    is_plain = _PLAIN.match(name) and name.lower() not in _YAML_WORDS
    return name if is_plain else json.dumps(name, ensure_ascii=False)
