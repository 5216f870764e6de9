"""Compare the counts in an answer with the changes that were sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_braze.braze.changes import Change

# The docs show only the first; other clients have received the others when identifying emails and phones.
_ALIASES: Final = ("aliases_processed", "emails_processed", "phone_numbers_processed")


def track_mismatches(accepted: Sequence[Change], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a text for each count in an answer to /users/track that differs from the changes sent.

    An array has a count only if Braze accepted a part of it. `attributes_processed` counts external IDs, so it may be
    smaller than the number of objects. Braze does not document whether it counts users without an external ID, or those
    under `_update_existing_only`.
    """
    sent = Counter(change.payload_key for change in accepted)
    for array in ("attributes", "events", "purchases"):
        key = f"{array}_processed"
        least = most = sent[array]
        count = document.get(key)
        if array == "attributes" and type(count) is int and count < most:
            # Do this only if needed, because it decodes the objects, which takes as long as everything else here.
            least = max(1, len({change.user for change in accepted if _has_external_id(change)}))
        yield from _mismatch(document, key, least, most)


def alias_mismatches(accepted: Sequence[Change], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield differences in an answer's counts of aliases, emails and phones, which together count all changes."""
    found = {key: document[key] for key in _ALIASES if key in document}
    if not all(_is_count(value) for value in found.values()):
        yield f"{' or '.join(found)} is not a number"
    elif found and sum(found.values()) != len(accepted):
        yield f"{' and '.join(found)} add up to {sum(found.values()):,}, expected {len(accepted):,}"


def deleted_mismatches(accepted: Sequence[Change], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a difference in `deleted`, which counts the users that Braze queued, whether or not it knows them."""
    yield from _mismatch(document, "deleted", len(accepted), len(accepted))


def listed_mismatches(key: str, accepted: Sequence[Change], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a difference in the length of a list of changes: strings in the docs, objects in recordings."""
    done = document.get(key)
    if isinstance(done, list) and len(done) != len(accepted):
        yield f"{key} lists {len(done):,}, expected {len(accepted):,}"


def _mismatch(document: Mapping[str, Any], key: str, least: int, most: int) -> Iterator[str]:
    if key not in document:
        return
    count = document[key]
    if not _is_count(count):
        yield f"{key} is not a number"
    elif not least <= count <= most:
        yield f"{key} is {count:,}, expected {f'{least:,}' if least == most else f'{least:,} to {most:,}'}"


def _is_count(value: object) -> bool:
    return type(value) is int


def _has_external_id(change: Change) -> bool:
    return (
        change.payload_key == "attributes"
        and change.user[0] == "external_id"
        and not change.fields.get("_update_existing_only")
    )
