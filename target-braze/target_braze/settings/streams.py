"""The JSON Schema of a stream's mapping, collected from the kinds."""

from __future__ import annotations

from typing import Any, Final

from target_braze.mapping.base.settings import COMMON, NAME, strict_object
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
    return [{"enum": list(names)}, strict_object({"flag": NAME}, required=["flag"])]


STREAM: Final = strict_object(
    {
        "to": {
            "type": "string",
            "enum": list(KINDS),
            "description": "What a record is in Braze. Default: the last part of the stream's name, in any "
            "case, if it is attributes, events or purchases, as in public-events; else attributes.",
        },
        **COMMON,
        "on_delete": {
            "oneOf": _on_delete(),
            "description": "What a record does that the source has deleted (`_sdc_deleted_at`), or that its next "
            "version lists no more (docs/ledger.md): `nothing`; of attributes `unset` them, `{flag: name}` sets the "
            "attribute of this name to true (and to false while the record lives), `unsubscribe` (also of "
            "subscriptions and email_status), or `delete_user`; of catalog_items and cohorts `remove`, which is their "
            "default.",
        },
        **_collected(),
    }
)
