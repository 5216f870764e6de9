"""The examples of docs/loader.md with Arrow data; Dagster and Ray, which are too large, have stand-ins."""

from __future__ import annotations

import re
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

CUSTOMERS = pa.table({"customer_id": ["c-1", "c-2"], "plan": pa.array(["gold", None]).dictionary_encode()})


@pytest.fixture
def examples(root: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the blocks of Python by their headings, and provide what they take for granted."""
    monkeypatch.setenv("TARGET_BRAZE_API_KEY", sandbox.api_key)
    monkeypatch.setenv("TARGET_BRAZE_ENDPOINT", sandbox.url)
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "loader.md").read_text("utf-8")
    return {part.splitlines()[0]: block(part) for part in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]}


def block(part: str) -> str:
    (found,) = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    return str(found)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(content)
    monkeypatch.setitem(sys.modules, name, module)


def loaded(sandbox: Sandbox) -> list[tuple[str | None, Any]]:
    return [(one.external_id, one.custom_attributes.get("plan")) for one in sandbox.profiles()]


def test_the_notebook_loads_a_file_after_a_dry_run(examples: dict[str, str], sandbox: Sandbox) -> None:
    pq.write_table(CUSTOMERS, "customers.parquet")
    names: dict[str, Any] = {}
    exec(examples["Arrow"], names)
    assert not sandbox.requests
    assert names["load"](names["customers"])["sent"] == 2
    assert loaded(sandbox) == [("c-1", "gold"), ("c-2", None)]


def test_the_op_of_dagster_loads_its_input(
    examples: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "dagster", op=lambda function: function, OpExecutionContext=object)
    names: dict[str, Any] = {}
    exec(examples["Dagster"], names)
    shown: dict[str, int] = {}
    names["load_customers"](SimpleNamespace(add_output_metadata=shown.update), CUSTOMERS)
    assert shown == {"sent": 2, "rejected": 0}
    assert loaded(sandbox) == [("c-1", "gold"), ("c-2", None)]


def test_the_datasink_of_ray_loads_its_blocks(
    examples: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accessor = SimpleNamespace(for_block=lambda block: SimpleNamespace(to_arrow=lambda: block))
    stand_in(monkeypatch, "ray")
    stand_in(monkeypatch, "ray.data", Datasink=object)
    stand_in(monkeypatch, "ray.data.block", BlockAccessor=accessor)
    names: dict[str, Any] = {}
    exec(examples["Ray"], names)
    sink = names["BrazeDatasink"]()
    returned = sink.write(iter([CUSTOMERS.slice(0, 1), CUSTOMERS.slice(1)]), None)
    sink.on_write_complete(SimpleNamespace(write_returns=[returned]))
    assert capsys.readouterr().out == "2 records sent\n"
    assert loaded(sandbox) == [("c-1", "gold"), ("c-2", None)]
