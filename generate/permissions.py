"""Permissions of API keys by job, collected from the declarations of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_braze.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable

# A job and the prefixes of its streams; each stream of the tap is in one of them.
READING: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Campaigns and their statistics", ("campaigns", "sends_")),
    ("Canvases and their statistics", ("canvases",)),
    ("KPIs, sessions and purchases", ("kpi_", "sessions_", "purchases_", "products")),
    ("Segments", ("segments",)),
    ("Custom events and attributes", ("events", "custom_attributes")),
    ("Templates, Content Blocks, preference centers", ("email_templates", "content_blocks", "preference_centers")),
    ("Catalogs", ("catalog",)),
    ("Data Objects", ("data_object",)),
    ("Bounces, unsubscribes, invalid phone numbers", ("hard_bounces", "unsubscribes", "invalid_phone_numbers")),
    ("Scheduled broadcasts", ("scheduled_broadcasts",)),
    ("Cloud Data Ingestion", ("cdi_",)),
    ("News Feed cards", ("cards",)),
    ("Users: profiles, devices, segment members", ("users", "user_", "segment_members", "global_control_group")),
    ("Subscription states of users", ("subscription_",)),
    ("Keys of SDK Authentication", ("sdk_authentication",)),
    ("Dashboard users", ("dashboard_users",)),
)
_SCIM: Final = "scim"
_NONE: Final = "None: these streams need a SCIM token, in the setting `scim_token`.\n"
# Needed only where Braze has switched on link aliasing or multi-language messages.
_RARE: Final = ("_links", "_translations", "_translations_source")


def reading() -> str:
    """Return a section for each reading job, with a list to copy."""
    parts = []
    for job, prefixes in READING:
        streams = [stream for stream in STREAMS if stream.name.startswith(prefixes)]
        common = {name for stream in streams if not stream.name.endswith(_RARE) for name in _needed(stream)}
        rare = {name for stream in streams if stream.name.endswith(_RARE) for name in _needed(stream)} - common
        text = f"### {job}\n\n{_NONE if common == {_SCIM} else _block(common)}"
        if rare:
            text += f"\nFor streams of links and translations, also:\n\n{_block(rare)}"
        parts.append(text)
    return "\n".join(parts)


def _needed(stream: type | None) -> Iterable[str]:
    while stream is not None:
        yield stream.permission  # type: ignore[attr-defined]
        stream = stream.parent  # type: ignore[attr-defined]


def _block(permissions: Iterable[str]) -> str:
    return "```text\n" + "".join(f"{name}\n" for name in sorted(permissions)) + "```\n"
