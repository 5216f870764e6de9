"""Content Blocks, email templates and preference centers: written by name, where something differs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import ContentBlock

from tests.target.support.singer import BOOLEAN, TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

TAGS: dict[str, Any] = {"type": ["array", "null"], "items": {"type": "string"}}
COLUMNS: dict[str, dict[str, Any]] = {
    "content_blocks": {"name": TEXT, "content": TEXT, "description": TEXT, "state": TEXT, "tags": TAGS},
    "email_templates": {
        "template_name": TEXT,
        "subject": TEXT,
        "body": TEXT,
        "preheader": TEXT,
        "should_inline_css": BOOLEAN,
        "tags": TAGS,
    },
    "preference_centers": {
        "name": TEXT,
        "preference_center_page_html": TEXT,
        "confirmation_page_html": TEXT,
        "state": TEXT,
        "options": {"type": ["object", "null"]},
    },
}
CREATE = {
    "content_blocks": "/content_blocks/create",
    "email_templates": "/templates/email/create",
    "preference_centers": "/preference_center/v1",
}
UPDATE = {
    "content_blocks": "/content_blocks/update",
    "email_templates": "/templates/email/update",
    "preference_centers": "/preference_center/v1/*",
}
RECORDS: dict[str, dict[str, Any]] = {
    "content_blocks": {"name": "footer", "content": "<p>Hello</p>", "description": "Footer", "tags": ["b", "a"]},
    "email_templates": {
        "template_name": "Welcome",
        "subject": "Hello",
        "body": "<p>Hello</p>",
        "preheader": "Start here",
        "should_inline_css": False,
        "tags": ["b", "a"],
    },
    "preference_centers": {
        "name": "news",
        "preference_center_page_html": "<p>Hello</p>",
        "confirmation_page_html": "<p>Thanks</p>",
        "options": {"meta-viewport-content": "width=device-width"},
    },
}
CONTENT = {
    "content_blocks": "content",
    "email_templates": "body",
    "preference_centers": "preference_center_page_html",
}
# A change of another field, and its line in a dry run.
OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "content_blocks": ({"tags": ["a"]}, 'tags: ["b","a"] to ["a"]'),
    "email_templates": ({"should_inline_css": True}, "should_inline_css: false to true"),
    "preference_centers": (
        {"options": {}},
        'options: {"meta-viewport-content":"width=device-width"} to {}',
    ),
}
KINDS = pytest.mark.parametrize("kind", list(COLUMNS))


@pytest.fixture(autouse=True)
def _tags(sandbox: Sandbox) -> None:
    now = sandbox.instance.clock.utc_now()
    deleted = ContentBlock(id="old", name="old", created_at=now, updated_at=now, tags=["a", "b"], deleted=True)
    sandbox.workspace.content_blocks["old"] = deleted


def table(kind: str, *records: dict[str, Any]) -> Stream:
    without_state = {name: schema for name, schema in COLUMNS[kind].items() if name != "state"}
    return Stream("objects", without_state, [*records])


def mapped(kind: str, **more: Any) -> dict[str, Any]:
    return {"streams": {"objects": {"to": kind, **more}}}


def writes(sandbox: Sandbox) -> list[tuple[str, Any]]:
    return [(one.path, one.body) for one in sandbox.requests if one.method != "GET"]


def stored(sandbox: Sandbox, kind: str) -> list[str]:
    """Return the contents of all objects."""
    if kind == "content_blocks":
        return [one.content for one in sandbox.workspace.content_blocks.values() if not one.deleted]
    if kind == "preference_centers":
        return [one.page_html for one in sandbox.workspace.preference_centers.values()]
    return [one.body for one in sandbox.workspace.templates.values()]


@KINDS
def test_an_object_is_created_then_left_alone_then_updated(run_target: RunTarget, sandbox: Sandbox, kind: str) -> None:
    record = RECORDS[kind]
    first = run_target(table(kind, record), **mapped(kind))
    assert writes(sandbox) == [(CREATE[kind], record)]
    assert first.summary["total"]["sent"] == 1
    same = {**record, "tags": ["a", "b"]} if "tags" in record else record
    second = run_target(table(kind, same), **mapped(kind))
    assert len(writes(sandbox)) == 1
    assert second.summary["total"]["unchanged"] == 1
    run_target(table(kind, {**record, CONTENT[kind]: "new"}), **mapped(kind))
    (path, body) = writes(sandbox)[1]
    assert fnmatchcase(path, UPDATE[kind])
    assert body[CONTENT[kind]] == "new"
    assert not body.keys() & {"name", "template_name"}
    assert stored(sandbox, kind) == ["new"]
    assert not sandbox.violations


@KINDS
def test_only_the_last_record_of_a_name_is_written(run_target: RunTarget, sandbox: Sandbox, kind: str) -> None:
    versions = [{**RECORDS[kind], CONTENT[kind]: text} for text in ("one", "two", "one")]
    run_target(table(kind, *versions), **mapped(kind))
    run_target(table(kind, *versions[:2], versions[0]), **mapped(kind))
    # The second run cannot skip its last record, because an earlier one of the same name differs from Braze.
    first, second = (path for path, _ in writes(sandbox))
    assert first == CREATE[kind]
    assert fnmatchcase(second, UPDATE[kind])
    assert stored(sandbox, kind) == ["one"]


@KINDS
def test_a_dry_run_shows_the_difference_and_sends_nothing(run_target: RunTarget, sandbox: Sandbox, kind: str) -> None:
    record = RECORDS[kind]
    created = run_target(table(kind, record), dry_run=True, preflight=True, **mapped(kind))
    assert "would be created" in created.stderr
    assert not writes(sandbox)
    run_target(table(kind, record), **mapped(kind))
    changed = {**record, CONTENT[kind]: "<p>Goodbye</p>", **OTHER[kind][0]}
    run = run_target(table(kind, changed), dry_run=True, preflight=True, **mapped(kind))
    lines = [line.split(" | ")[-1] for line in run.stderr.splitlines()]
    assert any("would be updated" in line for line in lines)
    for text in ("-<p>Hello</p>", "+<p>Goodbye</p>", OTHER[kind][1]):
        assert f"stream 'objects': {text}" in lines
    assert stored(sandbox, kind) == ["<p>Hello</p>"]


@KINDS
def test_a_created_object_whose_answer_is_lost_is_in_doubt_and_not_created_again(
    run_target: RunTarget, sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    sandbox.fault(do="drop_after", path=CREATE[kind], times=1)
    letters = tmp_path / "letters.singer"
    options = {"on_error": "dead_letter", "dead_letter_path": str(letters), **mapped(kind)}
    run = run_target(table(kind, RECORDS[kind]), **options)
    assert run.summary["total"]["in_doubt"] == 1
    assert stored(sandbox, kind) == ["<p>Hello</p>"]
    again = run_target(letters.read_bytes().rstrip(), **options)
    assert again.summary["total"]["unchanged"] == 1
    assert [path for path, _ in writes(sandbox)] == [CREATE[kind]]


def test_two_templates_of_one_name_are_not_confused(run_target: RunTarget, sandbox: Sandbox) -> None:
    record = RECORDS["email_templates"]
    run_target(table("email_templates", record), **mapped("email_templates"))
    (first,) = sandbox.workspace.templates.values()
    first.name = "Other"
    run_target(table("email_templates", record), **mapped("email_templates"))
    first.name = "Welcome"
    run = run_target(table("email_templates", record), expect=1, **mapped("email_templates"))
    assert "2 objects in Braze have the name 'Welcome'; rename all but one" in run.errors[0]


def test_what_braze_refuses_stops_only_its_record(run_target: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    good, bad = RECORDS["content_blocks"], {"name": "b", "content": "x", "tags": ["unknown"]}
    letters = str(tmp_path / "letters.singer")
    run = run_target(
        table("content_blocks", bad, good),
        on_error="dead_letter",
        dead_letter_path=letters,
        **mapped("content_blocks"),
    )
    assert run.summary["total"]["rejected"] == 1
    assert "Some tags could not be found" in run.stderr
    assert stored(sandbox, "content_blocks") == ["<p>Hello</p>"]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("name", "with space", "only letters, digits, '-' and '_'"),
        ("name", "n" * 100, "must be shorter than 100 characters, got 100"),
        ("name", "", "column 'name' is blank"),
        ("content", None, "column 'content' is blank"),
        ("content", "ü" * 25_000, "must be smaller than 50,000 bytes, got 50,000"),
        ("description", "d" * 250, "must be shorter than 250 characters"),
        ("state", "paused", "expected active or draft"),
        ("tags", [1], "expected an array of tags"),
    ],
)
def test_what_braze_would_refuse_is_rejected_before(
    run_target: RunTarget, sandbox: Sandbox, column: str, value: Any, reason: str
) -> None:
    stream = Stream(
        "objects", {**COLUMNS["content_blocks"], column: {}}, [{**RECORDS["content_blocks"], column: value}]
    )
    run = run_target(stream, expect=1, **mapped("content_blocks"))
    assert reason in run.errors[0]
    assert not writes(sandbox)


def test_the_largest_values_are_accepted(run_target: RunTarget, sandbox: Sandbox) -> None:
    block = {"name": "n" * 99, "content": "c" * 49_999, "description": "d" * 249}
    run_target(table("content_blocks", block), **mapped("content_blocks"))
    template = {**RECORDS["email_templates"], "body": "b" * 400_000}
    run_target(table("email_templates", template), **mapped("email_templates"))
    assert [path for path, _ in writes(sandbox)] == [CREATE["content_blocks"], CREATE["email_templates"]]


def test_a_state_is_always_sent_because_braze_does_not_show_it(run_target: RunTarget, sandbox: Sandbox) -> None:
    draft = {**RECORDS["content_blocks"], "state": "draft"}
    stream = Stream("objects", COLUMNS["content_blocks"], [draft])
    run_target(stream, **mapped("content_blocks"))
    stream.records = [{**draft, "state": "Active"}]
    run_target(stream, **mapped("content_blocks"))
    _, block = sandbox.workspace.content_blocks.values()
    assert block.state == "active"


@KINDS
def test_a_missing_column_stops_the_run_and_renamed_ones_count(
    run_target: RunTarget, sandbox: Sandbox, kind: str
) -> None:
    name = next(iter(COLUMNS[kind]))
    values = {"slug": "footer", "html": "text", "subject": "Hello", "confirmation_page_html": "text", "other": "x"}
    stream = Stream("objects", dict.fromkeys(values, TEXT), [values])
    run = run_target(stream, expect=1, **mapped(kind))
    assert f"no column for '{name}', which Braze requires" in run.errors[0]
    run = run_target(stream, expect=1, **mapped(kind, rename={"slug": name, "html": "nonsense"}))
    assert "has no field 'nonsense', only" in run.errors[0]
    run = run_target(stream, **mapped(kind, rename={"slug": name, "html": CONTENT[kind]}))
    assert stored(sandbox, kind) == ["text"]
    assert any("other" in warning and "not sent" in warning for warning in run.warnings)


def test_a_list_of_several_pages_is_read_to_its_end(run_target: RunTarget, sandbox: Sandbox) -> None:
    blocks, now = sandbox.workspace.content_blocks, sandbox.instance.clock.utc_now()
    for number in range(1_001):
        key = f"b{number:04}"
        blocks[key] = ContentBlock(id=key, name=key, created_at=now, updated_at=now, content="x")
    stream = table("content_blocks", {"name": "b0000", "content": "x"}, {"name": "b1000", "content": "y"})
    run = run_target(stream, **mapped("content_blocks"))
    assert run.summary["total"]["unchanged"] == 1
    assert writes(sandbox) == [(UPDATE["content_blocks"], {"content_block_id": "b1000", "content": "y"})]


@KINDS
def test_a_key_that_may_not_list_stops_the_run(run_target: RunTarget, sandbox: Sandbox, kind: str) -> None:
    sandbox.add_key("limited", ["content_blocks.create", "templates.email.create", "preference_center.update"])
    run = run_target(table(kind, RECORDS[kind]), expect=1, api_key="limited", **mapped(kind))
    assert "needs the permission" in run.errors[0]
    assert not stored(sandbox, kind)


@KINDS
def test_a_dry_run_without_preflight_needs_no_key(run_target: RunTarget, sandbox: Sandbox, kind: str) -> None:
    run = run_target(table(kind, RECORDS[kind]), dry_run=True, api_key=None, endpoint=None, **mapped(kind))
    assert any("only if 'preflight' is true" in warning for warning in run.warnings)
    assert not sandbox.requests


@KINDS
def test_explain_shows_the_request(run_target: RunTarget, sandbox: Sandbox, kind: str) -> None:
    stream = table(kind, RECORDS[kind])
    run = run_target(stream, options=("explain",), **mapped(kind))
    assert f"to POST {CREATE[kind]}" in run.stdout
    assert f"column '{CONTENT[kind]}', by its name" in run.stdout
    assert not sandbox.requests


@KINDS
def test_with_a_ledger_braze_still_decides_what_differs(
    run_target: RunTarget, sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    options = {"ledger_path": str(tmp_path / "ledger.db"), **mapped(kind)}
    for expected in ("sent", "unchanged"):
        run = run_target(table(kind, RECORDS[kind]), **options)
        assert run.summary["total"][expected] == 1
    assert len(writes(sandbox)) == 1


def test_objects_of_two_types_may_have_one_name(run_target: RunTarget, sandbox: Sandbox) -> None:
    center = {"name": "footer", "preference_center_page_html": "p", "confirmation_page_html": "c"}
    blocks = Stream("content_blocks", {"name": TEXT, "content": TEXT})
    centers = Stream("preference_centers", dict.fromkeys(center, TEXT))
    records = [
        row
        for content in ("first", "last")
        for row in (blocks.record({"name": "footer", "content": content}), centers.record(center))
    ]
    streams = {name: {"to": name} for name in ("content_blocks", "preference_centers")}
    run_target(blocks.schema, centers.schema, *records, streams=streams)
    blocks_there = sandbox.workspace.content_blocks.values()
    assert [one.content for one in blocks_there if one.name == "footer"] == ["last"]
    assert len(sandbox.workspace.preference_centers) == 1
