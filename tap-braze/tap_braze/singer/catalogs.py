"""Read catalogs that other tools wrote or kept: what they select, and what they lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_braze.streams.currents import CurrentsEvents, CurrentsStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.singerlib import Catalog

    from tap_braze.streams.base.stream import BrazeStream


def select_contents(catalog: Catalog) -> None:
    """Select all fields of a selected column that has none selected.

    Rules such as Meltano's deselect everything first, so a rule for `campaigns_analytics.messages` leaves an object
    without fields.
    """
    for entry in catalog.streams:
        metadata = entry.metadata
        fields: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for breadcrumb in metadata:
            fields.setdefault(breadcrumb[:-2], []).append(breadcrumb)
        for parent in sorted(filter(None, fields), key=len):
            mask = metadata.resolve_selection()
            if mask[parent] and not any(mask[field] for field in fields[parent]):
                for field in fields[parent]:
                    metadata[field].selected = True


def unread_event_types(streams: Iterable[BrazeStream], catalog: Catalog) -> Iterator[str]:
    """Yield the event types with files that nothing reads because the catalog is older than the files.

    Such a catalog has no stream for the type, or one that is deselected by default. A catalog that deselects all of
    Currents means it.
    """
    currents = [stream for stream in streams if isinstance(stream, (CurrentsEvents, CurrentsStream))]
    listed = [stream for stream in currents if catalog.get_stream(stream.name)]
    reads_all = any(stream.selected for stream in listed if isinstance(stream, CurrentsEvents))
    if reads_all or (listed and not any(stream.selected for stream in listed)):
        return
    for stream in currents:
        if isinstance(stream, CurrentsStream) and stream.selected_by_default and not stream.selected:
            entry = catalog.get_stream(stream.name)
            if entry is None or not entry.metadata.root.selected_by_default:
                yield from stream.event_types()
