"""Nested statistics as one flat row for each measured thing, with a key that stays the same from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def unfold_messages(parent: Mapping[str, Any], messages: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """A row for each variation of each channel, with the fields of the parent.

    Not all channels give their variations an id, and some not even a name; `variation` is what there is.
    """
    if not isinstance(messages, dict):
        return
    for channel, variations in messages.items():
        seen: set[str] = set()
        for place, stats in enumerate(variations if isinstance(variations, list) else [variations], 1):
            if not isinstance(stats, dict):
                continue
            variation = str(stats.get("variation_api_id") or stats.get("variation_name") or f"#{place}")
            if variation in seen:  # two of one name
                variation = f"{variation} #{place}"
            seen.add(variation)
            flat = {name: value for name, value in stats.items() if not isinstance(value, (dict, list))}
            yield {**flat, **parent, "channel": channel, "variation": variation}


def objects(stats: Any) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """The objects of a map, by their ids."""
    if isinstance(stats, dict):
        yield from ((name, value) for name, value in stats.items() if isinstance(value, dict))
