"""Translations: texts of one locale for a message, a template or a Content Block."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from braze_sandbox.testing import Sandbox

from tests.target.support.singer import TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

TEXTS: dict[str, Any] = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
OWNERS = ("campaigns", "canvases", "email_templates", "content_blocks")


@pytest.fixture(scope="module")
def _seeded() -> Iterator[Sandbox]:
    with Sandbox(seed="small") as sandbox:
        yield sandbox


@pytest.fixture
def seeded(_seeded: Sandbox) -> Sandbox:
    _seeded.reset()
    return _seeded


def ids_of(sandbox: Sandbox, of: str) -> dict[str, str]:
    """Return the ids of something that has translations."""
    workspace = sandbox.workspace
    known = workspace.translations
    if of == "campaigns":
        return next(
            {"campaign_id": key, "message_variation_id": message}
            for key, one in workspace.campaigns.items()
            for message in one.messages
            if message in known
        )
    if of == "canvases":
        return next(
            {"workflow_id": key, "step_id": step["id"], "message_variation_id": message}
            for key, one in workspace.canvases.items()
            for step in one.steps
            for message in step["messages"]
            if message in known
        )
    if of == "email_templates":
        return next({"template_id": key} for key in workspace.templates if key in known)
    return next({"content_block_id": key} for key in workspace.content_blocks if key in known)


def settings(sandbox: Sandbox, **entry: Any) -> dict[str, Any]:
    entry = {"to": "translations", **entry}
    return {"endpoint": sandbox.url, "api_key": sandbox.api_key, "streams": {"texts": entry}}


def table(*records: dict[str, Any]) -> Stream:
    names = dict.fromkeys(name for record in records for name in record)
    return Stream("texts", {name: TEXTS if name == "translation_map" else TEXT for name in names}, [*records])


@pytest.mark.parametrize("of", OWNERS)
def test_texts_of_a_locale_are_merged_and_sent_once(run_target: RunTarget, seeded: Sandbox, of: str) -> None:
    ids, locale = ids_of(seeded, of), next(iter(seeded.workspace.locales))
    translation = seeded.workspace.translations[[*ids.values()][-1]]
    one, *others = translation.source
    before = dict(translation.locales[locale])
    records = [{**ids, "locale_id": locale, "translation_map": {one: text}} for text in ("first", "last")]
    run_target(table(*records), **settings(seeded, translations_of=of))
    assert [request.method for request in seeded.requests] == ["PUT"]
    assert translation.locales[locale] == {**before, one: "last"}
    assert all(translation.locales[locale].get(name) == before.get(name) for name in others)
    assert not seeded.violations


def test_what_braze_refuses_stops_only_its_record(run_target: RunTarget, seeded: Sandbox, tmp_path: Path) -> None:
    ids, (locale, other, *_) = ids_of(seeded, "content_blocks"), seeded.workspace.locales
    good = {**ids, "locale_id": locale, "translation_map": {"id_0": "text"}}
    bad = [
        good | {"content_block_id": "unknown"},
        good | {"locale_id": "00000000-0000-4000-8000-000000000000"},
        good | {"locale_id": other, "translation_map": {"unknown": "text"}},
    ]
    letters = str(tmp_path / "letters.singer")
    run = run_target(
        table(*bad, good),
        on_error="dead_letter",
        dead_letter_path=letters,
        **settings(seeded, translations_of="content_blocks"),
    )
    assert (run.summary["total"]["rejected"], run.summary["total"]["sent"]) == (3, 1)
    assert "The provided locale code does not exist" in run.stderr


@pytest.mark.parametrize("texts", [{}, {"id_0": 1}, ["text"], None])
def test_what_is_no_object_of_texts_is_rejected(run_target: RunTarget, seeded: Sandbox, texts: Any) -> None:
    stream = table({"content_block_id": "b", "locale_id": "l", "translation_map": texts})
    stream.properties["translation_map"] = {}
    run = run_target(stream, expect=1, **settings(seeded, translations_of="content_blocks"))
    assert "column 'translation_map'" in run.errors[0]
    assert not seeded.requests


def test_a_mapping_that_cannot_work_stops_the_run(run_target: RunTarget, seeded: Sandbox) -> None:
    stream = table({"content_block_id": "b", "locale_id": "l", "translation_map": {"id_0": "text"}})
    run = run_target(stream, expect=1, **settings(seeded))
    assert "Set translations_of to campaigns or canvases" in run.errors[0]
    run = run_target(stream, expect=1, **settings(seeded, translations_of="campaigns"))
    assert "no column for 'campaign_id'" in run.errors[0]
    assert not seeded.requests


def test_the_mapping_of_the_page_works(run_target: RunTarget, seeded: Sandbox, root: Path) -> None:
    page = (root / "docs" / "content.md").read_text("utf-8")
    (block,) = (block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "to: translations" in block)
    ids, locale = ids_of(seeded, "content_blocks"), next(iter(seeded.workspace.locales))
    record = {"block": ids["content_block_id"], "locale_id": locale, "texts": json.dumps({"id_0": "Hallo"})}
    stream = Stream("german", dict.fromkeys(record, TEXT), [record])
    run_target(stream, endpoint=seeded.url, api_key=seeded.api_key, **yaml.safe_load(block))
    assert seeded.workspace.translations[record["block"]].locales[locale]["id_0"] == "Hallo"
