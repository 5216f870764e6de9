"""Push tokens of people without a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

TO = {"streams": {"tokens": {"to": "push_token_imports"}}}


@pytest.fixture(autouse=True)
def app(sandbox: Sandbox) -> str:
    sandbox.workspace.apps["app-1"] = "iOS"
    return "app-1"


def table(*records: dict[str, Any], **columns: dict[str, Any]) -> Stream:
    return Stream("tokens", columns or dict.fromkeys(("app_id", "token", "device_id"), TEXT), [*records])


def tokens(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    return [one.attributes["push_tokens"] for one in sandbox.instance.profiles]


def test_each_token_becomes_one_anonymous_profile(run_target: RunTarget, sandbox: Sandbox, app: str) -> None:
    rows = [{"app_id": app, "token": f"t-{number}", "device_id": f"device-{number}"} for number in range(3)]
    run = run_target(table(*rows, rows[0]), **TO)
    assert sorted(tokens(sandbox), key=str) == [[row] for row in rows]
    assert all(one.external_id is None for one in sandbox.profiles())
    assert (run.summary["total"]["sent"], run.summary["total"]["data_points"]) == (3, 0)
    run_target(table(*rows), **TO)
    assert len(tokens(sandbox)) == 3
    assert not sandbox.violations


def test_the_app_may_be_set_for_all(run_target: RunTarget, sandbox: Sandbox, app: str) -> None:
    streams = {"tokens": {"to": "push_token_imports", "rename": {"apns": "token"}}}
    run_target(table({"apns": " t "}, apns=TEXT), streams=streams, app_id=app)
    assert tokens(sandbox) == [[{"app_id": app, "token": "t"}]]
    run = run_target(table({"apns": "t"}, apns=TEXT), streams=streams, expect=1)
    assert "no column for 'app_id', which Braze requires" in run.errors[0]


def test_a_lost_answer_makes_no_second_profile(run_target: RunTarget, sandbox: Sandbox, app: str) -> None:
    sandbox.fault(do="drop_after", times=1)
    run_target(table({"app_id": app, "token": "t"}), on_unknown_outcome="hold", **TO)
    assert len(tokens(sandbox)) == 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"token": None}, "column 'token' is blank"),
        ({"token": "t", "app_id": None}, "column 'app_id' is blank"),
        ({"token": "t", "device_id": "short"}, "the device ID of a push token has 8 to 255 bytes"),
        ({"token": "t", "app_id": "unknown"}, "BAD_PUSH_TOKEN_APP_ID"),
    ],
)
def test_invalid_tokens_are_rejected_alone(  # noqa: PLR0917
    run_target: RunTarget, sandbox: Sandbox, app: str, tmp_path: Path, record: dict[str, Any], reason: str
) -> None:
    good = {"app_id": app, "token": "good"}
    letters = str(tmp_path / "letters.singer")
    run = run_target(table(good | record, good), on_error="dead_letter", dead_letter_path=letters, **TO)
    assert reason in run.stderr
    assert tokens(sandbox) == [[good]]
