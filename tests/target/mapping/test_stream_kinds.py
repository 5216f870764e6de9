"""What a stream is taken for by its name, which entry is its, and what the log says of it before the first record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.mapping.stream_kinds import EntryIndex, kind_of

from tests.target.support.singer import NUMBER, TEXT, TIME, Stream, sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

EVENTS = {"external_id": TEXT, "name": TEXT, "time": TIME}
EVENT = {"external_id": "c-1", "name": "visit", "time": "2026-03-04T12:00:00Z"}
PURCHASES = {"external_id": TEXT, "product_id": TEXT, "price": NUMBER, "currency": TEXT, "time": TIME}
PURCHASE = {"external_id": "c-1", "product_id": "tea", "price": 1.5, "currency": "EUR", "time": EVENT["time"]}


@pytest.mark.parametrize("prefix", ["", "public-", "public.", "db/public/", "shop:", "PUBLIC-", "my-shop-"])
@pytest.mark.parametrize("name", ["events", "Events", "EVENTS"])
def test_a_stream_with_a_schema_goes_by_its_table(
    run_target: Callable[..., Run], sandbox: Sandbox, prefix: str, name: str
) -> None:
    run = run_target(Stream(prefix + name, EVENTS, [EVENT]))
    assert [event["name"] for event in sent(sandbox, "events")] == ["visit"]
    text = f"stream '{prefix + name}': taken for events, by its name; users are identified by external_id in column"
    assert f"{text} 'external_id'" in run.stderr


def test_purchases_too(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(Stream("public-purchases", PURCHASES, [PURCHASE]))
    assert [purchase["product_id"] for purchase in sent(sandbox, "purchases")] == ["tea"]


@pytest.mark.parametrize(
    ("columns", "entry", "text"),
    [
        (
            {"external_id": TEXT, "user_alias_name": TEXT, "user_alias_label": TEXT, "email": TEXT},
            None,
            (
                "taken for attributes, by default; users are identified by external_id in column 'external_id', else "
                "user_alias in columns 'user_alias_name' and 'user_alias_label', else email in column 'email'"
            ),
        ),
        (
            {"cookie": TEXT},
            {"user": [{"user_alias": {"name": "cookie", "label": "web"}}]},
            "taken for attributes, by default; users are identified by user_alias with label 'web' in column 'cookie'",
        ),
        (
            {"userId": TEXT, "messageId": TEXT, "type": TEXT},
            {"to": "calls"},
            "taken for calls, by streams.s.to; users are identified by external_id in column 'userId'",
        ),
        (
            {"current_external_id": TEXT, "new_external_id": TEXT},
            {"to": "external_ids"},
            (
                "taken for external_ids, by streams.s.to; users are identified by current_external_id in column "
                "'current_external_id', new_external_id in column 'new_external_id'"
            ),
        ),
        (
            {"id": TEXT, "price": NUMBER},
            {"to": "catalog_items"},
            "taken for catalog_items, by streams.s.to; items of 's' are identified by column 'id'",
        ),
    ],
)
def test_one_line_says_what_a_stream_is_and_what_identifies_its_users(
    run_target: Callable[..., Run], columns: dict[str, Any], entry: dict[str, Any] | None, text: str
) -> None:
    stream = Stream("s", columns)
    run = run_target(stream, stream, streams={} if entry is None else {"s": entry}, dry_run=True)
    assert run.stderr.count("stream 's': taken for") == 1
    assert f"stream 's': {text}" in run.stderr


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (EVENTS, "events"),
        ({"external_id": TEXT, "Event_Name": TEXT, "occurred_at": TIME}, "events"),
        ({"external_id": TEXT, "event": TEXT, "timestamp": TIME}, "events"),
        (PURCHASES, "purchases"),
        ({"external_id": TEXT, "productId": TEXT, "price": NUMBER, "currency": TEXT}, "purchases"),
    ],
)
@pytest.mark.parametrize("entry", [None, {"user": [{"external_id": "external_id"}]}])
def test_what_looks_like_events_or_purchases_needs_a_word(
    run_target: Callable[..., Run], sandbox: Sandbox, columns: Any, kind: str, entry: Any
) -> None:
    stream = Stream("public-web_log", columns, [])
    streams = {} if entry is None else {"*_log": entry}
    run = run_target(stream, streams=streams, expect=1)
    place = "streams.public-web_log" if entry is None else "streams.*_log"
    assert f"look like {kind}" in run.errors[0]
    assert run.errors[0].endswith(f"Write {place}.to: {kind}, or {place}.to: attributes")
    assert not sandbox.requests
    run_target(stream, streams={"*_log": {"to": "attributes"}})


@pytest.mark.parametrize(
    "columns", [("name", "timestamp"), ("name", "created_at"), ("product_id", "time"), ("price", "currency")]
)
def test_customers_may_have_names_and_times(run_target: Callable[..., Run], columns: tuple[str, ...]) -> None:
    run_target(Stream("customers", {"external_id": TEXT, **dict.fromkeys(columns, TEXT)}))


@pytest.mark.parametrize("key", ["web_hits", "WEB_HITS", "web_*", "*_Hits", "public-web_hits", "public.*", "Public-*"])
def test_an_entry_goes_by_the_last_part_of_a_stream_s_name_too(
    run_target: Callable[..., Run], sandbox: Sandbox, key: str
) -> None:
    stream = "public.web_hits" if "." in key else "public-web_hits"
    run = run_target(Stream(stream, EVENTS, [EVENT]), streams={key: {"to": "events"}})
    assert len(sent(sandbox, "events")) == 1
    assert f"taken for events, by streams.{key}.to" in run.stderr


def test_one_entry_is_not_silently_two_streams_s(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"external_id": TEXT, "plan": TEXT}
    streams = {"users": {"fields": ["plan"]}}
    run = run_target(Stream("public-users", columns), Stream("archive-users", columns), streams=streams, expect=1)
    assert "the entry 'users' matches two streams, 'public-users' and 'archive-users'" in run.errors[0]
    run_target(Stream("public-users", columns), Stream("archive-users", columns), streams={"user*": streams["users"]})
    assert not sandbox.requests


NAMES = st.text("abAB_-.", min_size=1, max_size=8)


@given(stream=NAMES, keys=st.lists(st.text("abAB_-.*", min_size=1, max_size=8), max_size=5, unique=True))
def test_an_exact_name_goes_first_and_any_entry_found_fits(stream: str, keys: list[str]) -> None:
    key = EntryIndex(keys).find(stream)
    if stream in keys:
        assert key == stream
    if key is None:
        assert "*" not in keys
    else:
        assert key in keys
        assert "*" in key or stream.casefold().endswith(key.casefold())


@given(stream=NAMES, prefix=st.sampled_from(["public-", "public.", "db/", "a:b:"]))
def test_a_schema_before_the_name_changes_nothing(stream: str, prefix: str) -> None:
    assert kind_of(prefix + stream, {}) == kind_of(stream, {})
    assert kind_of(stream, {"to": "merges"}) == "merges"
