"""Credentials in URLs and options of storage are in no message."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tap_braze.storage import Storage, StorageError, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    RunTap = Callable[..., Any]

KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIB/ADANBg=\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://AKIAKEY:sec/ret@bucket/currents", "s3://bucket/currents"),
        ("https://account.blob/c/f?sv=1&sig=s3cr3t", "https://account.blob/c/f"),
        ("sftp://user:pa@ss@host/f", "sftp://host/f"),
        ("zip://f::https://user:secret@host/a.zip?token=abcd", "zip://host/a.zip"),
        ("abfs://container@account.dfs.core.windows.net/f", "abfs://account.dfs.core.windows.net/f"),
        ("abfs://con:secret@account.dfs.core.windows.net/f", "abfs://account.dfs.core.windows.net/f"),
        ("s3://bucket/currents", "s3://bucket/currents"),
    ],
)
def test_a_url_is_shown_without_credentials(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


@pytest.fixture
def _talkative() -> None:
    """A kind of storage whose errors show all that it was given."""

    class Talkative(MemoryFileSystem):  # type: ignore[misc]
        protocol = ("talk",)

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return str(path)

        def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002, ARG002
            raise PermissionError(f"{path} {self.storage_options} {self.storage_options!s} {KEY}")

    fsspec.register_implementation("talk", Talkative, clobber=True)


@pytest.mark.usefixtures("_talkative")
@pytest.mark.parametrize("setting", ["currents", "users"])
def test_no_error_shows_credentials(run_tap: RunTap, setting: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = "talk://AKIAKEY:sec/ret@bucket/folder?sig=s3cr3t%2Bsig"
    options = {"secret": "hunter22", "token": {"private_key": KEY, "number": 12345678}}
    stream = "currents_events" if setting == "currents" else "users"
    run = run_tap(stream, **{setting: {"url": url, "storage_options": options}})
    assert run.exit_code == 1
    assert f"setting '{setting}.url': talk://bucket/folder cannot be" in run.stderr
    everything = run.stderr + run.stdout + caplog.text
    for secret in ("AKIAKEY", "sec/ret", "s3cr3t", "hunter22", "MIIEvQIB", "12345678"):
        assert secret not in everything


@pytest.mark.parametrize("setting", ["currents", "users"])
def test_a_setting_of_the_wrong_type_is_not_shown(run_tap: RunTap, setting: str) -> None:
    run = run_tap(**{setting: {"url": {"key": "hunter22"}}})
    assert run.exit_code == 1
    assert f"setting '{setting}.url': its value has the wrong type" in run.stderr
    assert "hunter22" not in run.stderr


def test_the_cause_is_not_kept(tmp_path: Any) -> None:
    storage = Storage("users.url", str(tmp_path), {})
    with pytest.raises(StorageError) as raised:
        list(storage.read("a\nb"))
    assert raised.value.__suppress_context__
    assert "\n" not in str(raised.value)
