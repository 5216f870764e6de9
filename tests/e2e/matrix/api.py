"""A sandbox's API, read as any client would: by other code than the tap's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from tests.e2e.matrix.tables import Row, Table, table

if TYPE_CHECKING:
    from datetime import date

    from braze_sandbox.testing import Sandbox


LISTS: dict[str, tuple[str, str, dict[str, str], tuple[str, ...]]] = {
    "campaigns": ("/campaigns/list", "campaigns", {"include_archived": "true"}, ("id",)),
    "canvases": ("/canvas/list", "canvases", {"include_archived": "true"}, ("id",)),
    "cards": ("/feed/list", "cards", {"include_archived": "true"}, ("id",)),
    "segments": ("/segments/list", "segments", {}, ("id",)),
    "catalogs": ("/catalogs", "catalogs", {}, ("name",)),
    "cdi_integrations": ("/cdi/integrations", "results", {}, ("integration_id",)),
    "content_blocks": ("/content_blocks/list", "content_blocks", {}, ("content_block_id",)),
    "email_templates": ("/templates/email/list", "templates", {}, ("email_template_id",)),
    "preference_centers": ("/preference_center/v1/list", "preference_centers", {}, ("preference_center_api_id",)),
    "custom_attributes": ("/custom_attributes", "attributes", {}, ("name",)),
    "events_details": ("/events", "events", {}, ("name",)),
}
"""Path, payload, query and key of what comes as a list of objects."""


ORIGIN = "idp.example"
"""What SCIM requires as the service origin."""


@dataclass
class Scope:
    """What the tap is set to read."""

    days: list[date]
    apps: list[str]
    segment: str
    people: list[str]
    groups: list[str]
    sends: list[dict[str, str]]
    colleagues: list[str]


class Api:
    """What to read, and the lists of what there is."""

    def __init__(self, braze: Sandbox, scope: Scope) -> None:
        self.url, self.scope = braze.url, scope
        self.session = requests.Session()
        self.session.headers.update({"Authorization": f"Bearer {braze.api_key}", "X-Request-Origin": ORIGIN})
        self.lists: dict[str, Table] = {
            name: table(self.get(path, **query)[payload], *keys) for name, (path, payload, query, keys) in LISTS.items()
        }

    def get(self, path: str, **query: str) -> Any:
        """Return the answer to a GET."""
        answer = self.session.get(self.url + path, params=query, timeout=30)
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        """Return the answer to a POST."""
        answer = self.session.post(self.url + path, json=body, timeout=30)
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def ids(self, stream: str) -> list[str]:
        """Return the ids in a list."""
        return [str(key) for (key,) in self.lists[stream].rows]

    def details(self, path: str, **query: str) -> Row:
        """Return an object whose answer is the object itself."""
        found: Row = self.get(path, **query)
        return {name: value for name, value in found.items() if name != "message"}
