"""The JSON Schema of a stream's mapping, collected from the kinds."""

from __future__ import annotations

from typing import Any, Final

from target_braze.mapping.base.settings import COMMON, NAME, described, strict_object
from target_braze.mapping.kinds import KINDS


def _collected() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in KINDS.values():
        for key, schema in kind.settings.items():
            if found.setdefault(key, schema) != schema:
                raise TypeError(f"two kinds declare the key '{key}' with different schemas")
    return found


def _on_delete() -> list[dict[str, Any]]:
    names = dict.fromkeys(name for kind in KINDS.values() for name in kind.on_delete_actions if name != "flag")
    flag = described(NAME, "Flag", "Name of the boolean attribute that marks deleted users.")
    return [{"enum": list(names)}, strict_object({"flag": flag}, required=["flag"])]


STREAM: Final = strict_object(
    {
        "to": described(
            {"type": "string", "enum": list(KINDS)},
            "Object in Braze",
            "What each record becomes in Braze. Default: the last part of the stream's name, in any case, if it is "
            "attributes, events or purchases (as in public-events); otherwise attributes.",
        ),
        **COMMON,
        "on_delete": described(
            {"oneOf": _on_delete()},
            "On deletion",
            "What to do when the source deletes a record (`_sdc_deleted_at`) or its next version no longer lists it "
            "(docs/ledger.md). `nothing` is the default, except for catalog_items and cohorts, where it is `remove`. "
            "For attributes: `unset` them; `{flag: name}` to set the attribute `name` to true (and to false while the "
            "record exists); `unsubscribe` (also for subscriptions and email_status); or `delete_user`.",
        ),
        **_collected(),
    }
)
