"""The settings of both plugins, at every level of their JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tap_braze.settings.schema import CONFIG_SCHEMA
from target_braze.settings.config import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator


def properties_of(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property below a schema, with its path."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from properties_of(inner, f"{path}.{name}")
    below = [schema.get("items"), schema.get("additionalProperties")]
    for keyword in ("oneOf", "anyOf", "allOf"):
        below += schema.get(keyword, [])
    for inner in below:
        if isinstance(inner, dict):
            yield from properties_of(inner, f"{path}.*")


def test_every_level_is_read() -> None:
    paths = {path for schema in (CONFIG_SCHEMA, CONFIG) for path, _ in properties_of(schema, "")}
    assert {
        ".users.export_timeout",
        ".send_ids.*.send_id",
        ".streams.*.user.*.user_alias.label",
        ".streams.*.operators.*.*.$update",
        ".streams.*.on_delete.*.flag",
        ".streams.*.properties",
    } <= paths


@pytest.mark.parametrize("schema", [CONFIG_SCHEMA, CONFIG], ids=["tap", "target"])
def test_every_setting_has_a_label_and_says_what_it_does(schema: dict[str, Any]) -> None:
    for path, setting in properties_of(schema, ""):
        title, description = setting.get("title", ""), setting.get("description", "")
        assert title[:1].isupper(), path
        assert len(title) <= 40, path
        assert not title.endswith("."), path
        assert description[:1].isupper() or description[:1] == "`", path
        assert description.endswith("."), path
