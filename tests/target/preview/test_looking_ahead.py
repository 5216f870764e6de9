"""Seeing what will happen: explain, the table of a dry run, the preflight, and mappings that cannot work."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.target.support.singer import (
    ANY_OBJECT,
    BOOLEAN,
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    Run,
    Stream,
    customers,
    lines,
    many,
    run_cli,
    sent,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

EVENT: dict[str, Any] = {"user_id": "c-1", "kind": "visit", "at": "2026-03-04T12:00:00Z", "url": "/", "ip": "::1"}
EVENTS = Stream("web", dict.fromkeys(("user_id", "kind", "url", "ip"), TEXT) | {"at": TIME}, [EVENT] * 5)
WEB: dict[str, Any] = {
    "to": "events",
    "user": [{"external_id": "user_id"}],
    "event": {"name_field": "kind"},
    "time_field": "at",
    "properties": ["ur*"],
    "rename": {"url": "page"},
}


@pytest.fixture
def explain(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Run]:
    def explain(*messages: Any, options: tuple[str, ...] = (), expect: int = 0, **settings: Any) -> Run:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, **settings}))
        run = run_cli(["explain", "--config", str(path), *options], lines(*messages), secret=sandbox.api_key)
        assert run.exit_code == expect, run.stderr
        assert not sandbox.requests
        return run

    return explain


def test_explain_prints_the_objects_and_the_rule_behind_each_field(explain: Callable[..., Run]) -> None:
    run = explain(EVENTS, streams={"we*": WEB}, options=("--records", "1"), app_id="app-1")
    assert run.stdout == (
        "stream 'web', record 1\n"
        "  events, to POST /users/track\n"
        '    {"external_id":"c-1","name":"visit","time":"2026-03-04T12:00:00+00:00","app_id":"app-1",'
        '"properties":{"page":"/"}}\n'
        "    external_id      column 'user_id', by streams.we*.user[0].external_id\n"
        "    name             column 'kind', by streams.we*.event.name_field\n"
        "    time             column 'at', by streams.we*.time_field\n"
        "    app_id           setting app_id\n"
        "    properties.page  column 'url', by streams.we*.properties[0], streams.we*.rename.url\n"
        "  not sent\n"
        "    ip  not chosen by streams.we*.properties\n"
        "\n"
    )


def test_explain_shows_the_first_records_of_each_stream_and_why_one_is_rejected(explain: Callable[..., Run]) -> None:
    people = customers(
        {"external_id": "c-1", "visits": 2, "plan": None},
        {"external_id": "null", "visits": 2},
        *({"external_id": f"c-{n}", "visits": n} for n in range(9)),
        visits=INTEGER,
        plan=TEXT,
    )
    mapping = {"operators": {"visits": "inc"}, "merge_objects": True}
    run = explain(people, EVENTS, streams={"customers": mapping, "web": WEB})
    assert run.stdout.count("stream 'customers', record ") == 3
    assert run.stdout.count("stream 'web', record ") == 3
    assert '{"external_id":"c-1","_merge_objects":true,"visits":{"inc":2}}' in run.stdout
    assert "visits.inc      column 'visits', by streams.customers.operators.visits" in run.stdout
    assert "_merge_objects  streams.customers.merge_objects" in run.stdout
    assert "plan  null, by setting nulls: skip" in run.stdout
    assert "  rejected: it identifies no user: column 'external_id': 'null' is a placeholder" in run.stdout


def test_explain_names_the_column_that_a_member_stands_in(explain: Callable[..., Run]) -> None:
    columns = {"external_id": TEXT, "custom_attributes": ANY_OBJECT}
    users = Stream("users", columns, [{"external_id": "c-1", "custom_attributes": {"plan": "pro"}}])
    run = explain(users, streams={"users": {"flatten": ["custom_attributes"]}})
    assert "plan         member of column 'custom_attributes', by streams.users.flatten[0]" in run.stdout
    assert "not sent" not in run.stdout


GROUP = "9f4e2a10-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("mapping", "record", "expected"),
    [
        (
            {"to": "subscriptions", "subscription": {"group": GROUP, "state_field": "ok"}},
            {"email": "a@example.com", "ok": "f"},
            """
            email                  column 'email', by its name
            subscription_group_id  streams.s.subscription.group
            subscription_state     column 'ok', by streams.s.subscription.state_field
            """,
        ),
        (
            {"to": "email_status"},
            {"email": "a@example.com", "subscription_state": "opted_in"},
            """
            {"email":["a@example.com"],"subscription_state":"opted_in"}
            subscription_state  column 'subscription_state', by its name
            email               column 'email', by its name
            """,
        ),
        (
            {"to": "aliases", "alias": {"label": "web", "name": "cookie", "old_name": "former"}},
            {"cookie": "a-2", "former": "a-1"},
            """
            {"alias_label":"web","old_alias_name":"a-1","new_alias_name":"a-2"}
            alias_label     streams.s.alias.label
            old_alias_name  column 'former', by streams.s.alias.old_name
            new_alias_name  column 'cookie', by streams.s.alias.name
            """,
        ),
        (
            {"to": "merges", "merge": [{"external_id": "a"}, {"email": "m"}], "keep": [{"external_id": "b"}]},
            {"a": "", "m": "a@example.com", "b": "c-2"},
            """
            identifier_to_merge.email           column 'm', by streams.s.merge[1].email
            identifier_to_merge.prioritization  streams.s.to: merges
            identifier_to_keep.external_id      column 'b', by streams.s.keep[0].external_id
            """,
        ),
        (
            {"to": "identifications"},
            {"external_id": "c-1", "alias_name": "a", "alias_label": "l"},
            """
            external_id  column 'external_id', by its name
            user_alias   column 'alias_name', by its name
            """,
        ),
        (
            {"to": "external_ids", "external_ids": {"remove": "old"}},
            {"old": "c-1"},
            """
            {"external_ids":["c-1"]}
            external_id  column 'old', by streams.s.external_ids.remove
            """,
        ),
        (
            {"to": "catalog_items", "rename": {"t": "title"}},
            {"id": "1", "t": "Tea"},
            """
            id     column 'id', by its name
            title  column 't', by streams.s.rename.t
            """,
        ),
        (
            {"to": "catalog_items"},
            {"id": "1", "t": "Tea", "_sdc_deleted_at": "2026-03-04T12:00:00Z"},
            """
            {"id":"1"}
            id  column 'id', by its name
            """,
        ),
        (
            {"to": "cohorts", "cohort": {"array": "cohorts", "name_field": "n"}},
            {"external_id": "c-1", "n": "vip"},
            "cohorts      column 'n', by streams.s.cohort.name_field",
        ),
        (
            {"on_delete": {"flag": "gone"}},
            {"external_id": "c-1", "plan": "gold", "_sdc_deleted_at": "2026-03-04T12:00:00Z"},
            """
            {"external_id":"c-1","_update_existing_only":true,"gone":true}
            gone                   streams.s.on_delete: {'flag': 'gone'}
            """,
        ),
        (
            {"to": "calls", "rename": {"title": "headline"}},
            {"user_id": "c-1", "event_text": "Read", "title": "Tea", "timestamp": "", "received_at": "2026-03-04"},
            """
            name                 column 'event_text', by its name
            properties.headline  column 'title', by streams.s.rename.title
            time                 column 'received_at', by its name
            """,
        ),
        (
            {"to": "catalog_selections", "rename": {"label": "name"}},
            {"catalog_name": "shop", "label": "best"},
            """
            {"selection":{"external_id":"best","source":"custom","name":"best"}}
            catalog_selection  column 'catalog_name', by its name
            name               column 'label', by streams.s.rename.label
            """,
        ),
        (
            {"to": "catalog_field_deletions", "max_fields_deleted_with_all_values": 1},
            {"catalog_name": "shop", "field_name": "price"},
            "catalog_field  column 'catalog_name', by its name",
        ),
        (
            {
                "to": "data_object_user_relationships",
                "data_object": {"type": "account", "id": "no", "relationship": "account_user"},
                "fields": ["role"],
            },
            {"no": "A-1", "email": "a@example.com", "role": "buyer"},
            """
            type_name        streams.s.data_object.type
            object_id        column 'no', by streams.s.data_object.id
            user             column 'email', by its name
            attributes.role  column 'role', by streams.s.fields[0]
            """,
        ),
        (
            {"to": "message_schedules", "max_changed_schedules": 1, "rename": {"at": "time"}},
            {"schedule_id": "s-1", "at": "2999-01-01T09:00:00Z"},
            "schedule     column 'at', by streams.s.rename.at",
        ),
        (
            {"to": "push_token_imports"},
            {"app_id": "app-1", "token": "t"},
            "push_tokens        column 'app_id', by its name",
        ),
    ],
)
def test_explain_names_the_rules_of_every_kind_and_sends_nothing(
    mapping: dict[str, Any], record: dict[str, Any], expected: str, explain: Callable[..., Run]
) -> None:
    columns = dict.fromkeys((name for name in record if not name.startswith("_sdc_")), TEXT)
    run = explain(Stream("s", columns, [record]), streams={"s": mapping})
    told = [line.strip() for line in run.stdout.splitlines()]
    assert [line.strip() for line in expected.strip().splitlines() if line.strip() not in told] == []
    unused = [line for line in told if line.endswith("no part of this object")]
    assert not unused or "_sdc_deleted_at" in record


def test_explain_shows_the_request_where_its_objects_are_not_all_of_it(explain: Callable[..., Run]) -> None:
    mapping = {"to": "subscriptions", "subscription": {"group": GROUP, "state": "subscribed"}}
    run = explain(Stream("s", {"email": TEXT}, [{"email": "a@example.com"}]), streams={"s": mapping})
    shown = {"subscription_group_id": GROUP, "subscription_state": "subscribed", "emails": ["a@example.com"]}
    assert [json.loads(line) for line in run.stdout.splitlines() if "{" in line] == [{"subscription_groups": [shown]}]


def test_explain_says_what_is_wrong_with_a_mapping(explain: Callable[..., Run]) -> None:
    run = explain(EVENTS, streams={"web": WEB | {"time_field": "when"}}, expect=1)
    assert run.errors[0].endswith("the stream has only: user_id, kind, url, ip, at - at streams.web.time_field")


def test_explain_beside_the_target_leaves_its_command_as_it_is(sandbox: Sandbox) -> None:
    assert "explain" in run_cli(["--help"]).stdout
    assert "--records" in run_cli(["explain", "--help"]).stdout
    env = {"TARGET_BRAZE_API_KEY": sandbox.api_key, "TARGET_BRAZE_ENDPOINT": sandbox.url}
    assert run_cli(["--config=ENV"], lines(customers({"external_id": "c-1"})), env).exit_code == 0
    assert sandbox.profile("c-1")


def table(run: Run) -> list[list[str]]:
    rows = [line.split(" | ")[-1] for line in run.stderr.splitlines() if not line.startswith("{")]
    start = next(number for number, row in enumerate(rows) if row.startswith("stream  ") and " objects " in row)
    end = next(number for number, row in enumerate(rows) if row.startswith("all streams together"))
    return [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in rows[start:end]]


def promised(run: Run) -> tuple[int, int]:
    """Return the range of data points that a dry run names."""
    found = re.search(r"all streams together: ([\d,]+) to ([\d,]+) data points", run.stderr)
    assert found
    least, most = (int(number.replace(",", "")) for number in found.groups())
    assert sum(counts["data_points"] for counts in run.summary["streams"].values()) == most
    return least, most


VALUES = st.one_of(
    st.none(),
    st.integers(0, 3),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
    st.lists(st.dictionaries(st.sampled_from("pq"), st.integers(0, 1), max_size=2), max_size=2),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 1), max_size=3),
    st.builds(lambda n: {"inc": n}, st.integers(1, 2)),
    st.builds(lambda elements: {"add": elements}, st.lists(st.sampled_from("ab"), min_size=1)),
    st.builds(lambda elements: {"remove": elements}, st.lists(st.sampled_from("ab"), min_size=1)),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(
        st.tuples(
            st.sampled_from(["people", "others", "web"]),
            st.sampled_from(["c-1", "c-2"]),
            st.dictionaries(st.sampled_from(["n", "o", "email"]), VALUES, max_size=3),
        ),
        max_size=25,
    ),
    most=st.integers(1, 75),
)
def test_what_a_run_spends_lies_in_the_range_of_the_dry_run(
    records: list[tuple[str, str, dict[str, Any]]],
    most: int,
    run_target: Callable[..., Run],
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    sandbox.reset()
    columns = {"external_id": TEXT, "n": {}, "o": {}, "email": TEXT, "kind": TEXT, "at": TEXT}
    streams = {name: Stream(name, columns) for name in ("people", "others", "web")}
    messages: list[Any] = [stream.schema for stream in streams.values()]
    for name, user, fields in records:
        event = {"kind": "visit", "at": "2026-03-04T12:00:00Z"} if name == "web" else {}
        messages.append(streams[name].record({"external_id": user, **event, **fields}))
    given: dict[str, Any] = {
        "streams": {"web": {"to": "events", "event": {"name_field": "kind"}, "time_field": "at"}},
        "max_objects_per_request": most,
        # Rejected records cost nothing in either.
        "on_error": "dead_letter",
        "dead_letter_path": str(tmp_path / "dead.singer"),
    }
    least, upper = promised(run_target(*messages, dry_run=True, **given))
    spent = run_target(*messages, **given).summary["total"]["data_points"]
    assert least <= spent <= upper


def test_the_range_of_a_dry_run_is_from_one_change_of_a_user_to_each_by_itself(run_target: Callable[..., Run]) -> None:
    people = customers(*many(70, 10), n=INTEGER)
    assert promised(run_target(people, dry_run=True)) == (10, 70)
    assert promised(run_target(people, EVENTS, streams={"web": WEB}, dry_run=True)) == (15, 75)


def test_with_a_ledger_the_range_begins_at_nothing(run_target: Callable[..., Run], tmp_path: Path) -> None:
    people = customers({"external_id": "c-1", "n": 1}, {"external_id": "c-1"}, n=INTEGER, m=INTEGER)
    path = str(tmp_path / "ledger.sqlite")
    assert promised(run_target(people, dry_run=True, ledger_path=path)) == (0, 1)
    # Attributes that a record no longer has may be removed.
    unset = {"customers": {"missing_columns": "unset"}}
    assert promised(run_target(people, dry_run=True, ledger_path=path, streams=unset)) == (0, 4)


def test_a_dry_run_ends_with_a_table_by_stream(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    people = customers(*many(150, 150), n=INTEGER)
    run = run_target(people, EVENTS, streams={"web": WEB}, dry_run=True, max_objects_per_request=150)
    head, *rows = table(run)
    assert head == ["stream", "objects", "requests", "data points at most", "minutes at the limits", "new profiles"]
    assert int(rows[0].pop(2)) in {1, 2}
    assert rows == [
        ["customers", "150 attributes", "150", "0.0", "not looked up"],
        ["web", "5 events", "1", "5", "0.0", "not looked up"],
    ]
    assert not sandbox.requests


def test_a_dry_run_with_a_preflight_looks_up_who_is_new(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(customers(*many(30, 30), n=INTEGER))
    alias = Stream("a", {"alias_name": TEXT, "alias_label": TEXT}, [{"alias_name": "a", "alias_label": "web"}])
    people = customers(*many(60, 60), n=INTEGER)
    run = run_target(people, alias, dry_run=True, preflight=True)
    assert [row[-1] for row in table(run)] == ["new profiles", "30 of 60 looked up", "1 of 1 looked up"]
    assert len(sandbox.profiles()) == 30
    run = run_target(people, dry_run=True, preflight=True, update_existing_only=True)
    assert table(run)[1][-1] == "0 of 0 looked up"
    sandbox.add_key("k-2", ["custom_attributes.get"])
    run = run_target(people, dry_run=True, preflight=True, api_key="k-2")
    assert table(run)[1][-1] == "unknown: the key lacks users.export.ids"


def test_the_preflight_says_what_braze_would_drop(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    columns: dict[str, Any] = {f"a{n:02}": TEXT for n in range(60)}
    columns |= {"points": INTEGER, "tags": {"type": "array", "items": TEXT}, "at": TIME, "plan": TEXT, "visits": TEXT}
    first = dict.fromkeys(columns, "x") | {"points": 1, "tags": ["a"], "at": "2026-03-04T00:00:00Z"}
    run_target(customers({"external_id": "c-1", **first}, **columns))
    sandbox.workspace.blocklist_attribute("secret")
    changed = customers(
        a59=INTEGER, points=TEXT, tags=TEXT, at=TEXT, plan=TEXT, visits=INTEGER, secret=TEXT, new=NUMBER, email=TEXT
    )
    run = run_target(changed, preflight=True, streams={"customers": {"operators": {"visits": "inc"}}})
    noted = [line.removeprefix("stream 'customers': attribute ") for line in run.warnings]
    assert [line.partition(",")[0] for line in sorted(noted)] == [
        "'a59' would be sent as Number",
        "'at' would be sent as String",
        "'points' would be sent as String",
        "'secret' is blocklisted in Braze",
        "'tags' would be sent as String",
        "'visits' would be sent as Number",
    ]
    assert not any("would be sent" in line for line in run_target(customers(**columns), preflight=True).warnings)


def test_a_preflight_with_a_key_that_may_not_look_says_so_and_goes_on(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.add_key("k-3", ["users.track"])
    run = run_target(customers({"external_id": "c-1", "n": 1}, n=INTEGER), preflight=True, api_key="k-3")
    assert any(
        "Attributes are not compared, because that needs the permission custom_attributes.get" in w
        for w in run.warnings
    )
    assert sent(sandbox)


@pytest.mark.parametrize(
    ("columns", "mapping", "text"),
    [
        (
            {"at": INTEGER},
            {"to": "events", "event": {"name": "e"}, "time_field": "at"},
            "column 'at' cannot be the time",
        ),
        ({"at": TIME, "name": ANY_OBJECT}, {"to": "events", "time_field": "at"}, "column 'name' cannot be 'name'"),
        ({"gender": BOOLEAN, "dob": ANY_OBJECT}, {}, "column 'dob' cannot be 'dob': it holds object, not "),
        ({"current_location": NUMBER}, {}, "column 'current_location' cannot be 'current_location'"),
        ({"grid": {"type": "array", "items": {"type": "array"}}}, {}, "arrays of arrays, which Braze has no type for"),
        ({"a": TEXT}, {"rename": {"b": "c"}}, "- at streams.cust*.rename.b"),
        ({"a": TEXT}, {"types": {"b": "date"}}, "- at streams.cust*.types.b"),
        ({"a": TEXT}, {"fields": ["a", "b"]}, "- at streams.cust*.fields[1]"),
        ({"a": TEXT}, {"time_field": "a"}, "- at streams.cust*.time_field"),
        ({"a": TEXT}, {"operators": {"b": "inc"}}, "- at streams.cust*.operators.b"),
    ],
)
def test_a_mapping_that_cannot_work_stops_before_the_first_record_with_its_place(
    columns: Any, mapping: Any, text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1"}, **columns), streams={"cust*": mapping}, expect=1)
    assert text in run.errors[0]
    assert not sandbox.requests
