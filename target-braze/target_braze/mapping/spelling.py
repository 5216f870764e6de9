"""Find columns spelled almost like a Braze name, so that they do not silently become data of another name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.mapping.identifiers import ALIAS_COLUMNS, DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_braze.mapping.columns import Columns

# A UTF-8 byte order mark, and what it looks like if a tap reads the file as Latin-1.
_MARKS: Final = ("\ufeff", "\u00ef\u00bb\u00bf")


def squashed(name: str) -> str:
    """Return a name without case, underscores, hyphens, spaces and byte order mark, in which spellings differ."""
    return "".join(character for character in unmarked(name).casefold() if character.isalnum())


def unmarked(name: str) -> str:
    """Return a column's name without the byte order mark that may start a CSV file."""
    for mark in _MARKS:
        name = name.removeprefix(mark)
    return name


def unmarked_columns(names: Iterable[str]) -> dict[str, str]:
    """Return columns with a byte order mark and their names without it, unless another column has that name."""
    found: dict[str, str] = {}
    taken = {*names}
    for name in taken:
        plain = unmarked(name)
        if plain and plain not in taken and plain not in found.values():
            found[name] = plain
    return found


def check_marks(columns: Columns) -> None:
    """Check that no column keeps its byte order mark because another column has the name without it.

    Raises:
        MappingError: There is such a column.
    """
    for column in columns.names:
        if unmarked(column) != column:
            raise columns.error(
                f"it has two columns '{unmarked(column)}', one with a byte order mark before its name; leave one out "
                "at the source"
            )


def almost(columns: Columns, name: str) -> str | None:
    """Return the column that differs from the name only in spelling; None if there is none or the name exists."""
    if name in columns:
        return None
    return next((column for column in columns.names if squashed(column) == squashed(name)), None)


def check_identifiers(columns: Columns, kinds: Collection[str] = DEFAULT, *, always: bool = True) -> None:
    """Check that no column missing from the mapping is a misspelled identifier.

    In a stream mapped by its column names, the record would update the wrong user or create a new one. With `always`
    False, check only identifiers that take precedence over those of the stream: a property of an event may have any
    spelling.

    Raises:
        MappingError: There is such a column. The message names the setting to write.
    """
    found = {kind: spelled for kind in DEFAULT if kind in kinds and (spelled := _spelled(columns, kind))}
    for spelled in found.values():
        wrong = [(name, column) for name, column in spelled.items() if column != name and not _named(columns, column)]
        if wrong:
            name, column = wrong[0]
            like = f"differs from Braze's identifier '{name}' only in spelling"
            if column is None:
                like, column = f"lacks the column '{name}' that belongs to it", next(filter(None, spelled.values()))
            raise columns.error(
                f"column '{column}' {like}, so it would not identify users. Write {columns.at}.user: "
                f"[{', '.join(_line(one, given) for one, given in found.items())}]; or, to send it as data, name it in "
                f"{columns.at}.rename"
            )
        if not always:
            return


def _spelled(columns: Columns, kind: str) -> dict[str, str | None]:
    """Return an identifier's columns by Braze's names, as the stream spells them; empty if it has none of them."""
    for names in ALIAS_COLUMNS if kind == "user_alias" else ((kind,),):
        spelled = {name: name if name in columns else almost(columns, name) for name in names}
        if any(spelled.values()):
            return spelled
    return {}


def _named(columns: Columns, column: str | None) -> bool:
    """Return whether the mapping names the column."""
    entry: Mapping[str, Any] = columns.entry
    lists = ("fields", "properties", "flatten", "rename", "operators")
    return any(column in entry.get(setting, ()) for setting in lists)


def _line(kind: str, spelled: Mapping[str, str | None]) -> str:
    columns = [*spelled.values()]
    if kind != "user_alias":
        return f"{{{kind}: {columns[0]}}}"
    label = f"label_field: {columns[1]}" if columns[1] else "label: the_label"
    return f"{{user_alias: {{name: {columns[0] or 'the_column'}, {label}}}}}"
