"""Whatever a stream holds, a catalog takes the items made of it, or their records are reported first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.braze.client import Client
from target_braze.encode import encode
from target_braze.records import MappingError, RecordError

from tests.target.mapping.test_properties import mapping_of, streams

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = st.one_of(
    st.text(max_size=4), st.integers(), st.from_regex(r"[\w-]{1,9}", fullmatch=True), st.text("x", min_size=248)
)


@pytest.fixture(scope="module")
def braze() -> Iterator[tuple[Sandbox, Client]]:
    with Sandbox(seed="empty", limits={"catalogs": (100_000, 1.0)}) as sandbox:
        yield sandbox, Client(sandbox.url, sandbox.api_key)


@settings(max_examples=80)
@given(stream=streams(least=0), keys=st.lists(KEYS, min_size=4, max_size=4))
def test_an_item_is_taken_as_it_is_or_its_record_reported(
    braze: tuple[Sandbox, Client], stream: tuple[dict[str, Any], list[dict[str, Any]]], keys: list[Any]
) -> None:
    sandbox, client = braze
    sandbox.reset()
    columns, records = stream
    try:
        mapping = mapping_of({"id": {}, **columns}, unset=False, to="catalog_items")
    except MappingError as error:
        assert any(f"column '{name}'" in str(error) for name in columns)  # noqa: PT017
        return
    assert mapping.catalog is not None
    mapping.catalog.prepare(client, lambda _text: None)
    for key, record in zip(keys, records, strict=False):
        try:
            [change] = mapping.changes({"id": key, **record})
        except RecordError as wrong:
            assert any(f"column '{name}'" in str(wrong) for name in ("id", *record))  # noqa: PT017
            continue
        for name, value in record.items():
            assert name in change.fields or value is None or (isinstance(value, str) and not value.strip())
        endpoint = change.endpoint
        client.request(endpoint.method, endpoint.path, body=endpoint.body([change], [encode(change.fields)]))
        stored = sandbox.workspace.catalogs["s"].items[str(key).strip()]
        assert stored.keys() == json.loads(encode(change.fields)).keys()
