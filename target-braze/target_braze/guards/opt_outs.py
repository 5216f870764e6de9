"""Read from Braze who has opted out, and when: by user, by email address, and by subscription group.

Sources: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_identifier/,
https://www.braze.com/docs/api/endpoints/email/get_query_unsubscribed_email_addresses/ and
https://www.braze.com/docs/api/endpoints/subscription_groups/get_list_user_subscription_group_status/. Only
the first two have times.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from target_braze.braze import answers, limits
from target_braze.braze.client import ForbiddenError, RefusedError, UnauthorizedError
from target_braze.braze.consent import EMAIL, PUSH
from target_braze.ledger.verify import export
from target_braze.mapping.values.times import to_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_braze.braze.client import Client
    from target_braze.records import User

# Times of opt-outs, in seconds since 1970: of somebody who has not opted out, and of an opt-out without a time.
NEVER: Final = -math.inf
UNDATED: Final = math.inf

_FIELDS: Final = ("external_id", "user_aliases", EMAIL, PUSH)
# The times come with the states, without being asked for.
_TIMES: Final = {EMAIL: "email_unsubscribed_at", PUSH: "push_unsubscribed_at"}
_SINGLE: Final = {"braze_id": "braze_id", "email": "email_address", "phone": "phone"}
# Braze takes one of these per request, so a run with many addresses reads the whole list instead.
_ADDRESSES_ONE_BY_ONE: Final = 200
_PAGE: Final = 500
# People who opt in again may leave the list while it is read, which moves others to earlier places.
_STEP: Final = _PAGE - 50
_FIRST_DAY: Final = "2011-01-01"
_LIST_SECONDS: Final = 60.0
_IN_GROUP: Final = {"external_id": "external_id", "email": "email", "phone": "phone"}
_UNKNOWN_GROUP: Final = "invalid subscription group id"

_Id = TypeVar("_Id")
_Found = TypeVar("_Found")


class Choice(NamedTuple):
    """What a user may have opted out of: `email_subscribe`, `push_subscribe`, or the ID of a subscription group."""

    user: User
    about: str


class OptOuts:
    """Reads opt-outs from any thread.

    Args:
        client: API client.
        notice: Called once for each permission that the API key lacks, and for users whose state Braze does not show.
    """

    def __init__(self, client: Client, notice: Callable[[str], None]) -> None:
        self._client = client
        self._notice = notice
        self._lacking: set[str] = set()
        self._by_address = _ByAddress(client)

    def of(self, choices: Mapping[Choice, str | None]) -> dict[Choice, float]:
        """Return when Braze learned of each opt-out; `NEVER` if there is none or the key may not read it.

        Args:
            choices: What to look up, each with the email address that its record gives the user.

        Raises:
            BrazeError: A request failed.
        """
        states = {choice: address for choice, address in choices.items() if choice.about in _TIMES}
        found = {**dict.fromkeys(choices, NEVER), **self._of_states(states)}
        groups: defaultdict[tuple[str, str], list[User]] = defaultdict(list)
        for choice in choices:
            if choice.about not in _TIMES:
                groups[choice.about, choice.user[0]].append(choice.user)
        for (group, kind), users in groups.items():
            found |= self._of_group(group, kind, users)
        return found

    def _of_states(self, choices: Mapping[Choice, str | None]) -> dict[Choice, float]:
        found: dict[Choice, float] = {}
        addresses = {one: one.user[1] for one in choices if one.user[0] == "email" and one.about == EMAIL}
        profiles = self._profiles({one.user for one in choices if one not in addresses})
        for choice, address in choices.items():
            if several := profiles.get(choice.user):
                found[choice] = max(_opted_out(profile, choice.about) for profile in several)
            elif choice.about == EMAIL and address:
                # Braze keeps the state of an address for a user who does not exist yet.
                addresses.setdefault(choice, address)
        if addresses:
            by_address = self._read("email.unsubscribe", [*{*addresses.values()}], self._by_address.of, UNDATED)
            for choice, address in addresses.items():
                found[choice] = max(by_address.get(address, NEVER), found.get(choice, NEVER))
        return found

    def _of_group(self, group: str, kind: str, users: Sequence[User]) -> dict[Choice, float]:
        if kind not in _IN_GROUP:
            self._notice(
                f"consent: Braze does not show the subscription groups of users by {kind}, so opt-ins of these users "
                "are sent without a check"
            )
            return {}
        read = partial(self._states_in_group, group, kind)
        states = self._read("subscription.status.get", [user[1] for user in users], read, "unsubscribed")
        opted_out = {value for value, state in states.items() if state.lower() == "unsubscribed"}
        return {Choice(user, group): UNDATED for user in users if user[1] in opted_out}

    def _states_in_group(self, group: str, kind: str, ids: Sequence[str]) -> dict[str, str]:
        request = "GET /subscription/status/get"
        found: dict[str, str] = {}
        for some in _batches(ids):
            try:
                answer = self._client.request(
                    "GET",
                    "/subscription/status/get",
                    params={"subscription_group_id": group, f"{_IN_GROUP[kind]}[]": [*some]},
                    check=partial(answers.success, request, success_key="status"),
                )
            except RefusedError as error:
                if any(_UNKNOWN_GROUP in text.casefold() for text in error.errors):
                    return {}  # Braze refuses the change as well
                raise
            states: dict[str, str] = {_key(one): str(state) for one, state in answer.json()["status"].items()}
            # How the answer spells addresses and numbers is not documented.
            stray = any(state.lower() == "unsubscribed" for one, state in states.items() if one not in map(_key, some))
            found |= {one: states.get(_key(one), "unsubscribed" if stray else "unknown") for one in some}
        return found

    def _profiles(self, users: Iterable[User]) -> dict[User, list[dict[str, Any]]]:
        """Return the profiles of each user that has some; several can share an email address or a phone number."""
        by_kind: defaultdict[str, list[User]] = defaultdict(list)
        for user in users:
            by_kind[user[0]].append(user)
        opted_out: list[dict[str, Any]] = [dict.fromkeys(_TIMES, "unsubscribed")]
        found: dict[User, list[dict[str, Any]]] = {}
        for several in by_kind.values():
            found |= self._read("users.export.ids", several, self._exported, opted_out)
        return found

    def _exported(self, users: Sequence[User]) -> dict[User, list[dict[str, Any]]]:
        kind = users[0][0]
        found: defaultdict[User, list[dict[str, Any]]] = defaultdict(list)
        for some in _batches(users, 1 if kind in _SINGLE else limits.ITEMS_PER_REQUEST):
            body: dict[str, Any] = {"fields_to_export": _FIELDS}
            if kind in _SINGLE:
                body[_SINGLE[kind]] = some[0][1]
            elif kind == "external_id":
                body["external_ids"] = [user[1] for user in some]
            else:
                body["user_aliases"] = [{"alias_label": user[1], "alias_name": user[2]} for user in some]
            document = export(self._client, body).json()
            unknown = {*map(str, document.get("invalid_user_ids") or ())}
            strays = []
            for profile in document["users"]:
                named = [*some] if kind in _SINGLE else [user for user in _names(profile) if user in some]
                for user in named:
                    found[user].append(profile)
                strays += [] if named else [profile]
            # A renamed user comes back under the new id.
            for user in some:
                if user not in found and user[-1] not in unknown and strays:
                    found[user] = strays
        return found

    def _read(
        self, permission: str, ids: Sequence[_Id], read: Callable[[Sequence[_Id]], dict[_Id, _Found]], refused: _Found
    ) -> dict[_Id, _Found]:
        """Return what Braze shows of these ids; nothing without the permission, `refused` of one that Braze refuses."""
        if not ids or permission in self._lacking:
            return {}
        try:
            return read(ids)
        except (ForbiddenError, UnauthorizedError):
            if permission not in self._lacking:
                self._lacking.add(permission)
                self._notice(
                    f"consent: opt-ins are sent without a check for later opt-outs, because the API key lacks the "
                    f"permission {permission}. Use a key that has it, or set 'consent' to send"
                )
            return {}
        except RefusedError:
            # One bad identifier makes Braze refuse the request.
            if len(ids) == 1:
                return {ids[0]: refused}
            half = len(ids) // 2
            return {
                **self._read(permission, ids[:half], read, refused),
                **self._read(permission, ids[half:], read, refused),
            }


class _ByAddress:
    """Email addresses that are unsubscribed, from any thread.

    Reads a few addresses one by one. After that it reads the whole list once, and then only its newest days again.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._asked = 0
        self._listed: dict[str, float] = {}
        self._listed_at: float | None = None
        self._newest_day = _FIRST_DAY

    def of(self, addresses: Sequence[str]) -> dict[str, float]:
        """Return when each address that is unsubscribed was."""
        with self._lock:
            self._asked += len(addresses)
            if self._asked > _ADDRESSES_ONE_BY_ONE:
                if self._listed_at is None or time.monotonic() > self._listed_at + _LIST_SECONDS:
                    self._list()
                return {one: self._listed[_key(one)] for one in addresses if _key(one) in self._listed}
        found = {}
        for one in addresses:
            rows = self._rows({"email": one, "end_date": _day(2)})
            if times := [_moment(row.get("unsubscribed_at")) for row in rows if _key(row.get("email")) == _key(one)]:
                found[one] = max(times)
        return found

    def _list(self) -> None:
        at, today = time.monotonic(), _day(-1)
        offset = 0
        while True:
            rows = self._rows(
                {
                    "start_date": self._newest_day,
                    "end_date": _day(2),
                    "limit": str(_PAGE),
                    "offset": str(offset),
                    "sort_direction": "asc",
                }
            )
            for row in rows:
                self._listed[_key(row.get("email"))] = _moment(row.get("unsubscribed_at"))
            if len(rows) < _PAGE:
                break
            offset += _STEP
        self._listed_at, self._newest_day = at, today

    def _rows(self, params: dict[str, str | list[str]]) -> list[dict[str, Any]]:
        listed = partial(answers.listed, "GET /email/unsubscribes", "emails")
        return listed(self._client.request("GET", "/email/unsubscribes", params=params, check=listed))


def _opted_out(profile: Mapping[str, Any], about: str) -> float:
    return _moment(profile.get(_TIMES[about])) if profile.get(about) == "unsubscribed" else NEVER


def _moment(value: object) -> float:
    """Return a time in seconds since 1970; `UNDATED` if there is none that can be read."""
    try:
        return to_moment(value, timezone.utc).timestamp()
    except ValueError:
        return UNDATED


def _names(profile: Mapping[str, Any]) -> list[User]:
    aliases = profile.get("user_aliases") or ()
    return [
        ("external_id", str(profile.get("external_id"))),
        *(("user_alias", alias["alias_label"], alias["alias_name"]) for alias in aliases),
    ]


def _key(identifier: object) -> str:
    """Return an address or id in the spelling by which answers are matched with requests."""
    return str(identifier).strip().casefold()


def _day(days: int) -> str:
    """Return the UTC day that many days after today; clocks may differ, and an end is midnight."""
    return (datetime.now(timezone.utc) + timedelta(days=days)).date().isoformat()


def _batches(ids: Sequence[_Id], most: int = limits.ITEMS_PER_REQUEST) -> list[Sequence[_Id]]:
    return [ids[start : start + most] for start in range(0, len(ids), most)]
