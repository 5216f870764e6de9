"""The Loader: the target without Singer."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from datetime import date, datetime, timezone
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_braze import BrazeError, LedgerError, Loader, LoaderStream, MappingError, RejectedError, SettingsError

from tests.target.support.singer import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Run, Stream, many, sent, state, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

SCHEMA: dict[str, Any] = {"properties": {"external_id": TEXT, "n": INTEGER, "plan": TEXT}}
GOOD = {"external_id": "c-1", "n": 1}
BAD = {"external_id": "c-2", "n": "one"}


def readme(root: Path) -> str:
    (block,) = re.findall(r"```python\n(.*?)```", (root / "target-braze" / "README.md").read_text("utf-8"), re.DOTALL)
    return str(block)


def test_the_example_of_the_readme_works(root: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    script = readme(root)
    assert sandbox.api_key in script
    exec(script.replace("http://127.0.0.1:8027", sandbox.url), {})
    assert [p.external_id for p in sandbox.profiles()] == ["c-1", "c-2"]
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold", "spent": 12.5}
    assert capsys.readouterr().out.splitlines() == ["page 1 is in Braze", "2 records sent"]


def test_the_loader_needs_neither_the_sdk_nor_time_to_import_the_package() -> None:
    script = """
import sys, target_braze
assert not [name for name in sys.modules if name.startswith(("target_braze.", "requests", "msgspec"))]
assert "Loader" in dir(target_braze)
from target_braze import Loader
assert not [name for name in sys.modules if name.partition(".")[0] in {"singer_sdk", "click"}]
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def interrupted(loader: Loader, settled: Callable[[object], None] = print) -> None:
    """Fail while a record waits for others to share its request."""
    with loader:
        loader.open("customers", SCHEMA).write([GOOD])
        loader.checkpoint(1, settled=settled)
        raise ZeroDivisionError


def test_a_run_leaves_no_thread_and_no_signal_handler(config: dict[str, Any], sandbox: Sandbox) -> None:
    threads = {*threading.enumerate()}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with Loader(config) as loader:
        loader.open("customers", SCHEMA).write([GOOD])
        assert {number: signal.getsignal(number) for number in handlers} == handlers
    with pytest.raises(ZeroDivisionError):
        interrupted(Loader(config))
    for thread in {*threading.enumerate()} - threads:
        if thread.name.startswith(("dispatcher", "request", "deadlines")):
            thread.join(5)
            assert not thread.is_alive(), thread
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert sandbox.profile("c-1")


def test_an_exception_sends_no_more_and_the_summary_says_so(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    config["ledger_path"] = str(tmp_path / "ledger.sqlite")
    settled: list[object] = []
    loader = Loader(config)
    with pytest.raises(ZeroDivisionError):
        interrupted(loader, settled.append)
    assert (loader.summary["ended"], loader.summary["total"]["open"], settled) == ("failed", 1, [])
    assert not sandbox.profiles()
    # The ledger is closed.
    with Loader(config) as loader:
        loader.open("customers", SCHEMA).write([GOOD])
        loader.checkpoint(2, settled=settled.append)
    assert (loader.summary["ended"], loader.summary["total"]["sent"], settled) == ("completed", 1, [2])


def test_a_checkpoint_is_released_only_when_all_before_it_is_settled(config: dict[str, Any], sandbox: Sandbox) -> None:
    settled: list[object] = []
    sandbox.fault(path="/users/track", do="status", status=401)
    failed = threading.Event()
    loader = Loader(config, failed=lambda _: failed.set())

    def load() -> None:
        with loader:
            stream = loader.open("customers", SCHEMA)
            loader.checkpoint("nothing", settled=settled.append)
            stream.write(many(100, 100))
            loader.checkpoint("some", settled=settled.append)
            assert failed.wait(30)
            stream.write([GOOD])

    with pytest.raises(BrazeError, match="401"):
        load()
    assert settled == ["nothing"]
    assert loader.summary["ended"] == "failed"


def test_what_a_checkpoint_raises_ends_the_run(config: dict[str, Any]) -> None:
    def broken(_: object) -> None:
        raise OSError("disk full")

    loader = Loader(config)

    def load() -> None:
        with loader:
            loader.open("customers", SCHEMA).write([GOOD])
            loader.checkpoint(1, settled=broken)

    with pytest.raises(OSError, match="disk full"):
        load()
    assert loader.summary["ended"] == "failed"


def test_a_rejected_record_ends_the_run_or_is_a_dead_letter(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path, run_target: Callable[..., Run]
) -> None:
    with pytest.raises(RejectedError, match=r"stream 'customers', record 1 \(external_id=c-2\)"), Loader(config) as one:
        one.open("customers", SCHEMA, keys=["external_id"]).write([BAD])
    path = tmp_path / "dead.singer"
    settled: list[object] = []
    with Loader({**config, "on_error": "dead_letter", "dead_letter_path": str(path)}) as two:
        stream = two.open("customers", {"properties": SCHEMA["properties"] | {"x": NUMBER}}, keys=["external_id"])
        stream.write([BAD, GOOD, {"external_id": "c-3", "x": float("nan")}])
        two.checkpoint(3, settled=settled.append)
    total = two.summary["total"]
    assert (total["rejected"], total["sent"], settled) == (2, 1, [3])
    assert [p.external_id for p in sandbox.profiles()] == ["c-1"]
    letters = path.read_bytes()
    assert b'"x":NaN' in letters
    # They are ordinary dead letters of the target, and nobody has corrected them.
    run = run_target(*letters.splitlines(), on_error="dead_letter", dead_letter_path=str(tmp_path / "again.singer"))
    assert run.summary["total"]["rejected"] == 2


def test_a_dry_run_sends_nothing_and_settles_nothing(config: dict[str, Any], sandbox: Sandbox) -> None:
    settled: list[object] = []
    with Loader({**config, "dry_run": True}) as loader:
        loader.open("customers", SCHEMA).write([GOOD])
        loader.checkpoint(1, settled=settled.append)
    assert (loader.summary["dry_run"], loader.summary["total"]["sent"], settled) == (True, 1, [])
    assert not sandbox.requests


def test_values_of_python_become_what_a_tap_writes(config: dict[str, Any], sandbox: Sandbox) -> None:
    columns = {"external_id": TEXT, "price": NUMBER, "on": {"type": "string", "format": "date"}, "at": TIME, "id": TEXT}
    record: dict[str, Any] = {
        "external_id": "c-1",
        "price": Decimal("12.50"),
        "on": date(2026, 3, 4),
        "at": datetime(2026, 3, 4, 12, tzinfo=timezone.utc),
        "id": UUID(int=7),
    }
    with Loader(config) as loader:
        stream = loader.open("customers", {"properties": columns})
        stream.write([record])
        record.clear()  # it was copied
    (attributes,) = sent(sandbox)
    assert attributes == {
        "external_id": "c-1",
        "price": 12.5,
        "on": "2026-03-04",
        "at": "2026-03-04T12:00:00+00:00",
        "id": "00000000-0000-0000-0000-000000000007",
    }
    with pytest.raises(TypeError, match=r"stream 'customers', record 1: .*object"), Loader(config) as loader:
        loader.open("customers", SCHEMA).write([{"external_id": object()}])


def test_ordinary_lines_become_no_dict(
    config: dict[str, Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[dict[str, Any]] = []
    receive = LoaderStream.receive

    def counted(self: LoaderStream, record: dict[str, Any], *rest: Any) -> None:
        received.append(record)
        receive(self, record, *rest)

    monkeypatch.setattr(LoaderStream, "receive", counted)
    with Loader(config) as loader:
        stream = loader.open("s", {"properties": {"external_id": TEXT, "x": NUMBER, "t": TEXT}})
        stream.write([b'{"external_id": "c-1", "x": 0.5}'])
        stream.write(['{"type": "RECORD", "stream": "s", "record": {"external_id": "c-2"}, "time_extracted": "t"}'])
        stream.write([b'{"external_id": "c-3"}\n'], version=7)
        assert received == []
        # All but the usual takes the full path, with the same result.
        stream.write([b'\xef\xbb\xbf{"external_id": "c-4", "t": "\\"RECORD\\""}', "", b" \r\n"])
        stream.write([b'{"external_id": "c-5", "more": 1}', {"external_id": "c-6"}])
    assert [record["external_id"] for record in received] == ["c-4", "c-5"]
    assert [one["external_id"] for one in sent(sandbox)] == [f"c-{n}" for n in range(1, 7)]


def test_columns_may_have_the_names_of_a_message(config: dict[str, Any], sandbox: Sandbox) -> None:
    columns = {"external_id": TEXT, "type": TEXT, "stream": TEXT, "record": TEXT}
    records = [
        {"external_id": "c-1", "type": "RECORD", "stream": "s", "record": "gold"},
        {"external_id": "c-2", "type": "RECORD", "stream": "other"},
    ]
    with Loader(config) as loader:
        loader.open("s", {"properties": columns}).write(map(columns_line, records))
    assert [*sent(sandbox)] == records


@pytest.mark.parametrize("message", [False, True])
def test_a_line_with_damaged_values_is_rejected_and_kept(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path, *, message: bool
) -> None:
    lines = [
        b'{"external_id": "c-1", "x": NaN}',
        b'{"external_id": "c-2", "plan": "\\ud800"}',
        b'{"external_id": "c-3", "plan": "\xff"}',
        b'{"external_id": "c-4"}',
    ]
    if message:
        lines = [b'{"type": "RECORD", "stream": "s", "record": %s}' % line for line in lines]
    path = tmp_path / "dead.singer"
    schema = {"properties": SCHEMA["properties"] | {"x": NUMBER}}
    with Loader({**config, "on_error": "dead_letter", "dead_letter_path": str(path)}) as loader:
        loader.open("s", schema).write(lines)
    assert (loader.summary["total"]["read"], loader.summary["total"]["rejected"]) == (4, 3)
    assert [one["external_id"] for one in sent(sandbox)] == ["c-4"]
    letters = path.read_bytes()
    assert b'"x":NaN' in letters
    assert b"cannot decode 'x', got NaN" in letters


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        (b"secret@example.com", ValueError, "record 2: it is not JSON"),
        ('{"external_id": "secret@example.com"', ValueError, "record 2: it is not JSON"),
        (b'["secret@example.com"]', ValueError, "record 2: expected a JSON object, got list"),
        (7, TypeError, "record 2: expected a mapping or a JSON line, got int"),
    ],
)
def test_what_is_no_record_is_refused(
    config: dict[str, Any], sandbox: Sandbox, *, wrong: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text) as caught, Loader(config) as loader:
        loader.open("s", SCHEMA).write([GOOD, wrong])
    assert "secret" not in str(caught.value)
    assert not sandbox.profiles()


def test_lines_carry_the_version_of_their_table(config: dict[str, Any], sandbox: Sandbox, tmp_path: Path) -> None:
    config |= {"ledger_path": str(tmp_path / "ledger.sqlite"), "streams": {"s": {"on_delete": {"flag": "gone"}}}}
    for version, names in enumerate((["c-1", "c-2"], ["c-1"]), 1):
        records = [{"external_id": name, "n": version} for name in names]
        with Loader(config) as loader:
            stream = loader.open("s", {"properties": {"external_id": TEXT, "n": INTEGER}}, keys=["external_id"])
            if version == 1:
                stream.write(map(columns_line, records), version=version)
            else:
                stream.write(message_line(one).replace('"s"', '"s", "version": 2') for one in records)
            stream.activate_version(version)
    assert the(sandbox.profile("c-2")).custom_attributes["gone"] is True
    assert the(sandbox.profile("c-1")).custom_attributes["gone"] is False


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"api_key": None}, "setting 'api_key'"),
        ({"endpoint": "nowhere"}, "setting 'endpoint': 'nowhere' is"),
        ({"stream_maps": {}}, "setting 'stream_maps'"),
        ({"concurency": 4}, "did you mean 'concurrency'?"),
        ({"concurrency": "4.5"}, "setting 'concurrency'"),
        ({"streams": {"a": {"too": "events"}}}, "setting 'streams.a.too' does not exist; did you mean 'to'?"),
        ({"on_error": "dead_letter"}, "setting 'dead_letter_path'"),
    ],
)
def test_wrong_settings_are_refused_with_their_names(config: dict[str, Any], more: Any, text: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(text)):
        Loader({**config, **more})


def test_a_loader_is_for_one_run_in_a_block(config: dict[str, Any], tmp_path: Path) -> None:
    loader = Loader(config)
    with pytest.raises(RuntimeError, match="with"):
        loader.open("customers", SCHEMA)
    with loader:
        pass
    assert loader.summary["ended"] == "completed"
    with pytest.raises(RuntimeError, match="one run"):
        loader.__enter__()
    with pytest.raises(RuntimeError, match="with"):
        loader.checkpoint(1, settled=print)
    config["ledger_path"] = str(tmp_path / "ledger.sqlite")
    (tmp_path / "ledger.sqlite").write_text("no ledger" * 1000)
    refused = Loader(config)
    with pytest.raises(LedgerError):
        refused.__enter__()
    assert refused.summary["ended"] == "failed"


def test_mistakes_in_a_mapping_are_raised_where_the_stream_is_opened(config: dict[str, Any]) -> None:
    config["streams"] = {"customers": {"fields": ["nope"]}}
    with pytest.raises(MappingError, match="nope"), Loader(config) as loader:
        loader.open("customers", SCHEMA)


def test_a_version_of_a_table_removes_who_is_no_longer_listed(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    config |= {"ledger_path": str(tmp_path / "ledger.sqlite"), "streams": {"vips": {"on_delete": {"flag": "gone"}}}}
    for version, names in enumerate((["c-1", "c-2"], ["c-1"]), 1):
        with Loader(config) as loader:
            stream = loader.open("vips", {"properties": {"external_id": TEXT, "n": INTEGER}}, keys=["external_id"])
            stream.write([{"external_id": name, "n": version} for name in names], version=version)
            stream.activate_version(version)
    assert the(sandbox.profile("c-2")).custom_attributes["gone"] is True
    assert the(sandbox.profile("c-1")).custom_attributes["gone"] is False


COLUMNS: dict[str, Any] = {"external_id": TEXT, "t": TEXT, "n": INTEGER, "x": NUMBER, "b": BOOLEAN, "at": TIME, "o": {}}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**65), 2**65), TEXTS)
RECORDS = st.fixed_dictionaries(
    {"external_id": st.sampled_from(["c-1", "c-2", "", None])},
    optional={
        "t": st.one_of(TEXTS, st.just("2026-03-04"), SCALARS),
        "n": SCALARS,
        "x": st.one_of(st.floats(allow_nan=False, allow_infinity=False), SCALARS),
        "b": SCALARS,
        "at": st.one_of(st.datetimes(timezones=st.just(timezone.utc)).map(datetime.isoformat), SCALARS),
        "o": st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5),
        "_sdc_deleted_at": st.sampled_from([None, "", "2026-03-04T00:00:00Z"]),
        "unknown": SCALARS,
    },
)


def columns_line(record: dict[str, Any]) -> bytes:
    """Return a record as a line of a JSON lines file."""
    return json.dumps(record).encode() + b"\n"


def message_line(record: dict[str, Any]) -> str:
    """Return a record as a line of a Singer tap."""
    return json.dumps({"type": "RECORD", "stream": "s", "record": record}, ensure_ascii=False)


@pytest.mark.parametrize("to", ["attributes", "events"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORDS, max_size=12))
def test_loader_and_command_line_make_the_same_of_the_same_records(
    to: str,
    records: list[dict[str, Any]],
    *,
    config: dict[str, Any],
    sandbox: Sandbox,
    run_target: Callable[..., Run],
    tmp_path: Path,
) -> None:
    mapping = {"attributes": {}, "events": {"to": "events", "event": {"name": "e"}, "time_field": "at"}}[to]
    more: dict[str, Any] = {"streams": {"s": mapping}, "on_error": "dead_letter"}
    path = tmp_path / "dead.singer"
    found = []
    for form in (dict, columns_line, message_line, None):
        sandbox.reset()
        path.unlink(missing_ok=True)
        if form is not None:
            with Loader({**config, **more, "dead_letter_path": str(path)}) as loader:
                loader.open("s", {"properties": COLUMNS}, keys=["t"]).write(map(form, records))
            summary = loader.summary
        else:
            stream = Stream("s", COLUMNS, records, ["t"])
            summary = run_target(stream, state(1), **more, dead_letter_path=str(path)).summary
        letters = path.read_bytes().splitlines() if path.exists() else []
        reasons = [json.loads(line).get("dead_letter", {}).get("reason") for line in letters]
        objects = [json.dumps(one, sort_keys=True) for one in chain(sent(sandbox, to))]
        counts = {key: value for key, value in summary["total"].items() if key not in {"requests", "data_points"}}
        found.append((objects, reasons, counts, summary["reasons"]))
    assert found == [found[-1]] * 4
