"""The table of endpoints is complete, and its permissions are those that the plugins name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import target_braze
from tap_braze.streams import STREAMS
from target_braze.braze.changes import Endpoint
from target_braze.mapping.kinds import KINDS

from generate.endpoints import LEFT_OUT, documented

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_every_documented_endpoint_is_used_or_left_out_for_a_reason() -> None:
    lacking = [one.endpoint for one in documented() if not one.streams and not one.kinds and not one.reason]
    assert lacking == [], "declare a stream or kind, or give a reason in generate/endpoints.py"


def test_no_reason_is_left_over() -> None:
    given = {one.reason for one in documented()}
    assert [reason for _, reason in LEFT_OUT if reason not in given] == []


def test_every_read_is_a_stream_or_has_a_reason_of_its_own() -> None:
    reads = {one.endpoint: one.reason for one in documented() if one.endpoint.startswith("GET") and not one.streams}
    assert not [endpoint for endpoint, reason in reads.items() if reason.startswith(("Changes", "Content", "Sends"))]


def test_the_plugins_name_the_documented_permissions() -> None:
    streams = {stream.name: stream.permission for stream in STREAMS}
    kinds = {name: {one.permission for one in kind.endpoints} for name, kind in KINDS.items()}
    for one in documented():
        assert {streams[name] for name in one.streams} <= {one.permission}
        assert all(one.permission in kinds[name] for name in one.kinds), one


def declared(value: object) -> Iterator[Endpoint]:
    if isinstance(value, Endpoint):
        yield value
    elif isinstance(value, (dict, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from declared(each)


def test_every_endpoint_of_the_target_belongs_to_a_kind() -> None:
    of_kinds = {id(one) for kind in KINDS.values() for one in kind.endpoints}
    names = [each.name for each in pkgutil.walk_packages(target_braze.__path__, "target_braze.")]
    for name in names:
        if "__main__" not in name:
            module = importlib.import_module(name)
            for variable, value in vars(module).items():
                assert all(id(one) in of_kinds for one in declared(value)), f"{name}.{variable} is in no kind"
