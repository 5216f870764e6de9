"""A kind declares everything that delivery, ledger, data points and preview need to know about it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from target_braze.braze.changes import Semantics
from target_braze.mapping.base.stream_mapping import StreamMapping
from target_braze.mapping.kinds import KINDS

DECLARED: dict[str, Any] = {
    "settings": {},
    "unsupported_keys": frozenset(),
    "identifier_types": frozenset(),
    "semantics": (),
    "endpoints": (),
    "on_delete_actions": ("nothing",),
}


@pytest.mark.parametrize("left_out", DECLARED)
def test_a_kind_without_a_declaration_cannot_be_imported(left_out: str) -> None:
    declared = {name: value for name, value in DECLARED.items() if name != left_out}
    with pytest.raises(TypeError, match=f"'new_kind'.*does not declare: {left_out}"):
        type("NewKind", (StreamMapping,), declared, to="new_kind")
    assert "new_kind" not in KINDS


def test_a_kind_does_not_inherit_what_another_declares() -> None:
    with pytest.raises(TypeError, match="declare: settings, unsupported_keys, identifier_types, semantics, endpoints"):
        type("NewKind", (KINDS["events"],), {}, to="new_kind")


def test_two_kinds_cannot_have_one_name() -> None:
    with pytest.raises(TypeError, match="kind 'events' is declared twice"):
        type("Events", (StreamMapping,), DECLARED, to="events")


@pytest.mark.parametrize("left_out", [field.name for field in dataclasses.fields(Semantics)])
def test_semantics_have_no_defaults(left_out: str) -> None:
    (whole, *_) = KINDS["events"].semantics
    given = {field.name: getattr(whole, field.name) for field in dataclasses.fields(whole)}
    given.pop(left_out)
    with pytest.raises(TypeError, match=left_out):
        Semantics(**given)


@pytest.mark.parametrize("to", KINDS)
def test_what_each_kind_declares_goes_together(to: str) -> None:
    kind = KINDS[to]
    assert kind.semantics
    for semantics in kind.semantics:
        # The ledger recognizes a change by its fingerprint or by its values, and counted changes never merge.
        assert not (semantics.counted and semantics.sets_attributes)
        assert not (semantics.counted and semantics.coalesce)
        assert not (semantics.counted and semantics.repeatable({}))
        # What sends messages is never sent again on its own.
        assert semantics.counted or not semantics.sends_messages
