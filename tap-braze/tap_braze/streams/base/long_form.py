"""Flatten nested statistics to one row per measured item, with a key that is stable from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_braze.untrusted import WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def unfold_messages(parent: Mapping[str, Any], messages: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Yield a row for each variation of each channel, with the fields of the parent.

    Some channels give their variations no ID, or not even a name; `variation` holds what there is. A value that is not
    an object is a metric with the name of its channel.

    Raises:
        WrongTypeError: The channels are not an object. Null counts as empty.
    """
    for channel, variations in _items(messages):
        seen: set[str] = set()
        for place, stats in enumerate(variations if isinstance(variations, list) else [variations], 1):
            if stats is None:
                continue
            if not isinstance(stats, dict):
                stats = {channel: stats}  # noqa: PLW2901
            variation = str(stats.get("variation_api_id") or stats.get("variation_name") or f"#{place}")
            if variation in seen:  # two with the same name
                variation = f"{variation} #{place}"
            seen.add(variation)
            yield {**stats, **parent, "channel": channel, "variation": variation}


def objects(stats: Any) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """Yield the objects of a map with their IDs.

    Raises:
        WrongTypeError: A value that should be an object is not. Null counts as empty.
    """
    for name, value in _items(stats):
        if isinstance(value, dict):
            yield name, value
        elif value is not None:
            raise WrongTypeError("statistics are not an object")


def _items(value: Any) -> Iterable[tuple[str, Any]]:  # noqa: ANN401
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise WrongTypeError("statistics are not an object")
    return value.items()
