"""One object instead of two does what the two would have done, whatever the operators; or there are two."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.rules.custom_attributes import apply_custom
from braze_sandbox.rules.values import Discard
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.mapping.coalescing import coalesced

from tests.target.support.singer import ANY_OBJECT, INTEGER, TEXT, Stream, customers, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

ELEMENTS = st.lists(st.sampled_from(["a", "b", "c", 1, 2.5]), min_size=1, max_size=3, unique_by=repr)
OBJECTS = st.lists(
    st.fixed_dictionaries({"id": st.integers(1, 3)}, optional={"n": st.integers(0, 9)}), min_size=1, max_size=2
)
RULES = st.fixed_dictionaries({"$identifier_key": st.just("id"), "$identifier_value": st.integers(1, 3)})
UPDATES = st.lists(
    st.builds(
        lambda rule, new: {**rule, "$new_object": new}, RULES, st.dictionaries(st.sampled_from("nm"), st.just(7))
    ),
    min_size=1,
    max_size=2,
)
DATA = st.recursive(
    st.integers(0, 9), lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3), max_leaves=6
).filter(lambda value: isinstance(value, dict))
TIME = {"$time": "2026-03-04T00:00:00Z"}
# Values that a workspace might have for an attribute of each type, and changes of it.
KINDS: dict[str, tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    "number": (st.integers(-5, 5), st.one_of(st.integers(-5, 5), st.builds(lambda n: {"inc": n}, st.integers(-5, 5)))),
    "array": (
        ELEMENTS,
        st.one_of(
            ELEMENTS,
            st.just([]),
            st.builds(lambda add: {"add": add}, ELEMENTS),
            st.builds(lambda remove: {"remove": remove}, ELEMENTS),
            st.builds(
                lambda both, n: {"add": both[:n], "remove": both[n:]},
                st.permutations(["a", "b", "c", 1, 2.5]),
                st.integers(1, 4),
            ),
        ),
    ),
    "objects": (
        OBJECTS,
        st.one_of(
            OBJECTS,
            st.fixed_dictionaries(
                {}, optional={"$add": OBJECTS, "$remove": st.lists(RULES, min_size=1), "$update": UPDATES}
            ).filter(bool),
        ),
    ),
    "object": (DATA, st.one_of(DATA, st.builds(lambda data: {**data, "at": TIME}, DATA))),
}


def applied(kind: str, state: dict[str, Any], *changes: dict[str, Any]) -> dict[str, Any]:
    state = deepcopy(state)
    for change in changes:
        for name, value in change.items():
            if name != "_merge_objects":
                merge = change.get("_merge_objects", False)
                apply_custom({name: kind}, state, name, value, merge=merge, report=lambda _: None)
    return state


@settings(max_examples=300)
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_a_folded_object_does_what_the_two_do(data: st.DataObject, kind: str) -> None:
    values, changes = KINDS[kind]
    changes = st.one_of(changes, st.none())
    flags = st.sampled_from([{}, {"_merge_objects": True}])
    earlier, later = ({"it": data.draw(changes), **data.draw(flags)} for _ in range(2))
    both = coalesced(earlier, later)
    if both is None:
        return
    for state in ({"it": data.draw(values)}, {}):
        try:
            expected = applied(kind, state, earlier, later)
        except Discard:
            continue  # Braze would drop one of the two, and so does not define what they do together
        try:
            found = applied(kind, state, both)
        except Discard:
            found = {"it": []}  # what was added and removed again leaves no array, or an empty one
        assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    ("earlier", "later", "both"),
    [
        ({"inc": 1}, {"inc": 2}, {"inc": 3}),
        ({"inc": 1}, 7, 7),
        (5, {"inc": 2}, 7),
        (5.5, {"inc": 2}, None),
        (None, {"inc": 2}, None),
        ("x", {"inc": 2}, None),
        ({"add": ["a"]}, {"remove": ["a"]}, {"remove": ["a"]}),
        ({"remove": ["a"]}, {"add": ["a", "b"]}, {"add": ["a", "b"]}),
        ({"add": ["a"], "remove": ["b"]}, {"add": ["b"]}, {"add": ["a", "b"]}),
        ({"add": [1]}, {"remove": [True]}, {"add": [1], "remove": [True]}),
        (["a", "b"], {"add": ["a"]}, ["b", "a"]),
        (["a", "b"], {"remove": ["a"]}, ["b"]),
        (list(range(500)), {"add": ["a"]}, None),
        (None, {"add": ["a"]}, None),
        ({"$add": [{"id": 1}]}, {"$add": [{"id": 2}]}, {"$add": [{"id": 1}, {"id": 2}]}),
        ({"$add": [{"id": 1}]}, {"$remove": [{"r": 1}]}, {"$add": [{"id": 1}], "$remove": [{"r": 1}]}),
        ({"$remove": [{"r": 1}]}, {"$add": [{"id": 1}]}, None),
        ({"$update": [{"u": 1}]}, {"$add": [{"id": 1}]}, None),
        ([{"id": 1}], {"$add": [{"id": 2}]}, [{"id": 1}, {"id": 2}]),
        ([{"id": 1}], {"$remove": [{"r": 1}]}, None),
        ({"x": 1}, {"y": 2}, {"y": 2}),
    ],
)
def test_what_becomes_of_two_changes_of_one_attribute(earlier: Any, later: Any, both: Any) -> None:
    assert coalesced({"it": earlier}, {"it": later}) == (None if both is None else {"it": both})


def test_merged_objects_become_one_and_a_time_is_no_object_to_merge() -> None:
    flag = {"_merge_objects": True}
    assert coalesced({"o": {"a": {"b": 1}, "t": TIME}} | flag, {"o": {"a": {"c": 2}, "t": {"d": 3}}} | flag) == {
        "o": {"a": {"b": 1, "c": 2}, "t": {"d": 3}},
        "_merge_objects": True,
    }
    assert coalesced({"o": None} | flag, {"o": {"a": 1}} | flag) is None
    assert coalesced({"o": {"a": 1}}, {"n": 1} | flag) is None
    assert coalesced({"n": 1}, {"o": {"a": 1}} | flag) == {"n": 1, "o": {"a": 1}, "_merge_objects": True}


def test_states_of_different_groups_and_different_tokens_stay_side_by_side() -> None:
    def groups(**states: str) -> dict[str, Any]:
        return {
            "subscription_groups": [{"subscription_group_id": k, "subscription_state": v} for k, v in states.items()]
        }

    assert coalesced(groups(a="subscribed", b="subscribed"), groups(b="unsubscribed")) == groups(
        a="subscribed", b="unsubscribed"
    )


def test_counters_of_one_user_are_added_up_before_they_are_sent(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    records = [{"external_id": f"c-{n % 3}", "visits": n, "plan": f"p{n}"} for n in range(30)]
    run_target(customers(*records, visits=INTEGER, plan=TEXT), streams={"customers": {"operators": {"visits": "inc"}}})
    for user in range(3):
        profile = the(sandbox.profile(f"c-{user}"))
        assert profile.custom_attributes == {"visits": sum(range(user, 30, 3)), "plan": f"p{27 + user}"}
    assert len(sent(sandbox)) == 3
    assert not sandbox.violations


def test_what_cannot_be_folded_goes_one_after_the_other(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    mapping = {"operators": {"new": "$add", "gone": {"$remove": "no"}}, "rename": {"new": "orders", "gone": "orders"}}
    columns = {"external_id": TEXT, "new": ANY_OBJECT, "gone": ANY_OBJECT}
    orders: list[dict[str, Any]] = [
        {"new": {"no": 1, "state": "open"}},
        {"gone": {"no": 1}},
        {"new": {"no": 1, "state": "sent"}},
    ]
    run_target(
        Stream("s", columns, [{"external_id": "c-1", **order} for order in orders]),
        streams={"s": mapping},
        dependency_delay=0,
    )
    assert the(sandbox.profile("c-1")).custom_attributes == {"orders": [{"no": 1, "state": "sent"}]}
    assert len(sent(sandbox)) == 2
    assert not sandbox.violations
