"""The content of each page, read from the instance; no HTML."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

from braze_sandbox.endpoints.sending.delivery import send_due
from braze_sandbox.state.faults import Fault, Kind

if TYPE_CHECKING:
    from braze_sandbox.model.profile import Profile
    from braze_sandbox.state.instance import Instance
    from braze_sandbox.state.recorder import Recorded

ROWS = 100
"""Maximum rows in a list."""

PRESETS: list[tuple[str, str, dict[str, Any]]] = [
    ("Braze is down", "Answer 503 to every request.", {"do": "status", "status": 503}),
    ("Rate limit reached", "Answer 429 to every request.", {"do": "status", "status": 429}),
    ("Slow answers", "Wait two seconds before each answer.", {"do": "latency", "latency_ms": 2000}),
    ("Lost answers", "Do the work of /users/*, then close the connection.", {"do": "drop_after", "path": "/users/*"}),
    ("Answers that are not JSON", "Do the work, then answer with HTML.", {"do": "garbage"}),
]
"""Name, explanation, and rule of each fault that can be toggled with one click."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A page: the template of its live part and the data for it."""

    template: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    search: str = ""
    """Label of the search field; empty means no search field."""
    form: dict[str, Any] | None = None
    """Data for the form above the live part."""


View = Callable[[Mapping[str, str], Mapping[str, Any]], "Content | None"]
"""Takes query and path parameters and returns a page, or None if it does not exist."""


class Views:
    """The views of one instance. Each takes the query and path parameters."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        # Requests use the monotonic clock. Convert once so that each request keeps its displayed time.
        self._epoch = time.time() - time.monotonic()

    def overview(self, _query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show counts and the latest of everything."""
        instance = self._instance
        recorder, profiles = instance.recorder, instance.profiles
        tiles = [
            ("Users", len(profiles), "users"),
            ("Requests", sum(recorder.totals.values()), "requests"),
            ("Violations", len(recorder.violations), "violations"),
            ("Messages", len(instance.workspace.messages), "messages"),
            ("Catalogs", len(instance.workspace.catalogs), "catalogs"),
            ("Faults", len(instance.faults.rules), "faults"),
        ]
        return Content(
            template="overview.html",
            title="Overview",
            values={
                "tiles": tiles,
                "requests": self._requests("")[:10],
                "violations": _newest(recorder.violations, 5),
                "arrivals": _newest(recorder.arrivals, 10),
            },
        )

    def users(self, query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show users with an identifier that contains a text, most recently updated first."""
        wanted = query.get("q", "").strip().lower()
        found = [profile for profile in self._instance.profiles if wanted in _searched(profile)]
        return Content(
            template="users.html",
            title="Users",
            values={"users": nlargest(ROWS, found, key=lambda profile: profile.updated), "total": len(found)},
            search="External ID, Braze ID, alias, email address or phone number",
        )

    def user(self, _query: Mapping[str, str], path: Mapping[str, Any]) -> Content | None:
        """Show everything about one user."""
        profile = self._instance.profiles.by_braze_id.get(path["braze_id"])
        if profile is None:
            return None
        sent = [
            (number, message) for number, message in enumerate(self._messages()) if message.braze_id == profile.braze_id
        ]
        values = {
            "user": profile,
            "events": _newest(profile.events, ROWS),
            "purchases": _newest(profile.purchases, ROWS),
            "messages": sent[: -ROWS - 1 : -1],
        }
        return Content(template="user.html", title=name_of(profile), values=values)

    def events(self, _query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show events and purchases in order of arrival, newest first."""
        return Content(
            template="events.html",
            title="Events and purchases",
            values={"arrivals": _newest(self._instance.recorder.arrivals, ROWS)},
        )

    def requests(self, query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show the newest requests whose method, path, or status contains a text."""
        return Content(
            template="requests.html",
            title="Requests",
            values={"requests": self._requests(query.get("q", "").strip().lower())},
            search="Method, path or status",
        )

    def request(self, _query: Mapping[str, str], path: Mapping[str, Any]) -> Content | None:
        """Show one request with its headers and body."""
        recorder = self._instance.recorder
        index = path["number"] - (sum(recorder.totals.values()) - len(recorder.requests))
        if not 0 <= index < len(recorder.requests):
            return None
        one = recorder.requests[index]
        body = one.body
        if body is None and one.raw:
            body = one.raw.decode("utf-8", "replace")
        return Content(
            template="request.html",
            title=f"{one.method} {one.path}",
            values={"request": self._row(path["number"], one), "recorded": one, "body": body},
        )

    def violations(self, _query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show data that Braze would have dropped or changed, plus notes, newest first."""
        recorder = self._instance.recorder
        values = {"violations": _newest(recorder.violations, ROWS), "notes": _newest(recorder.notes, ROWS)}
        return Content(template="violations.html", title="Violations", values=values)

    def messages(self, _query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show messages that users would have received, newest first."""
        numbered = list(enumerate(self._messages()))
        return Content(template="messages.html", title="Messages", values={"messages": numbered[: -ROWS - 1 : -1]})

    def message(self, _query: Mapping[str, str], path: Mapping[str, Any]) -> Content | None:
        """Show one message."""
        messages = self._messages()
        if path["number"] >= len(messages):
            return None
        return Content(template="message.html", title="Message", values={"message": messages[path["number"]]})

    def catalogs(self, _query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show all catalogs."""
        values = {"catalogs": list(self._instance.workspace.catalogs.values())}
        return Content(template="catalogs.html", title="Catalogs", values=values)

    def catalog(self, _query: Mapping[str, str], path: Mapping[str, Any]) -> Content | None:
        """Show the first items of a catalog."""
        catalog = self._instance.workspace.catalogs.get(path["name"])
        if catalog is None:
            return None
        values = {"catalog": catalog, "items": list(islice(catalog.items.values(), ROWS))}
        return Content(template="catalog.html", title=catalog.name, values=values)

    def limits(self, _query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show rate-limit pools, those in use first."""
        pools = [
            {
                "name": name,
                "limit": pool.limit,
                "window": pool.window,
                "used": pool.used,
                "ends": datetime.fromtimestamp(pool.ends, timezone.utc) if pool.used else None,
            }
            for name, pool in self._instance.limits.items()
        ]
        pools.sort(key=lambda pool: not pool["used"])
        return Content(template="limits.html", title="Rate limits", values={"pools": pools})

    def faults(self, _query: Mapping[str, str], _path: Mapping[str, Any]) -> Content:
        """Show the active faults and the one-click presets."""
        rules = self._instance.faults.rules
        values = {
            "presets": [
                {"name": name, "about": about, "on": any(_is(rule, preset) for rule in rules)}
                for name, about, preset in PRESETS
            ],
            "rules": [{"key": id(rule), "rule": rule, "shown": _shown(rule)} for rule in rules],
        }
        return Content(template="faults.html", title="Faults", values=values, form={"kinds": get_args(Kind)})

    def switch(self, form: Mapping[str, str]) -> None:
        """Apply a form of the faults page; raise ValueError if its rule is invalid.

        Args:
            form: `on` or `off` with the number of a preset, `remove` with the key of a rule, or the fields of a rule.
        """
        faults = self._instance.faults
        if "on" in form:
            faults.add(_preset(form["on"]))
        elif "off" in form:
            preset = _preset(form["off"])
            faults.rules[:] = [rule for rule in faults.rules if not _is(rule, preset)]
        elif "remove" in form:
            faults.rules[:] = [rule for rule in faults.rules if str(id(rule)) != form["remove"]]
        else:
            faults.add({name: _number(value) if name in _NUMBERS else value for name, value in form.items() if value})

    def _messages(self) -> list[Any]:
        send_due(self._instance)
        return list(self._instance.workspace.messages)

    def _requests(self, wanted: str) -> list[dict[str, Any]]:
        recorder = self._instance.recorder
        last = sum(recorder.totals.values()) - 1
        rows = (
            self._row(last - back, one)
            for back, one in enumerate(reversed(recorder.requests))
            if wanted in f"{one.method} {one.path} {one.status or 'dropped'}".lower()
        )
        return list(islice(rows, ROWS))

    def _row(self, number: int, one: Recorded) -> dict[str, Any]:
        return {
            "number": number,
            "method": one.method,
            "path": one.path,
            "query": dict(one.query),
            "status": one.status,
            "at": datetime.fromtimestamp(self._epoch + one.started, timezone.utc),
            "ms": (one.finished - one.started) * 1000,
            "size": one.body_size,
        }


_NUMBERS = ("status", "times", "after", "latency_ms", "reset_in")


def _number(text: str) -> int | str:
    # The rule itself reports invalid text.
    return int(text) if text.isdecimal() and len(text) < 10 else text  # noqa: PLR2004 - far beyond any use


def _preset(number: str) -> dict[str, Any]:
    if not number.isdecimal() or int(number) >= len(PRESETS):
        raise ValueError("there is no such preset")
    return PRESETS[int(number)][2]


def _is(rule: Fault, preset: Mapping[str, Any]) -> bool:
    return replace(rule, hits=0) == Fault.parse(dict(preset))


def _shown(rule: Fault) -> dict[str, Any]:
    """Return a rule's fields other than its action, its path, and (empty) defaults."""
    names = ("method", "query", "contains", "after", "times", "status", "headers", "body", "latency_ms", "errors")
    return {name: value for name in names if (value := getattr(rule, name))}


def _newest(kept: Any, rows: int) -> list[Any]:  # noqa: ANN401 - deque or list
    return list(islice(reversed(kept), rows))


def name_of(profile: Profile) -> str:
    """Return the identifier by which people know a user."""
    aliases = [f"{label}: {name}" for label, name in profile.aliases.items()]
    return profile.external_id or profile.email or profile.phone or next(iter(aliases), profile.braze_id)


def _searched(profile: Profile) -> str:
    known = (profile.external_id, profile.braze_id, profile.email, profile.phone, *profile.aliases.values())
    return "\n".join(str(one) for one in (*known, *profile.deprecated_external_ids) if one is not None).lower()
