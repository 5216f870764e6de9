"""POST /users/alias/new and /users/alias/update (docs: post_user_alias, post_users_alias_update)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from braze_sandbox.request.bodies import array, bad, each, mentioned, texts
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.identity import Rejected, check_alias
from braze_sandbox.wire.answer import Answer, success

if TYPE_CHECKING:
    from braze_sandbox.wire.answer import Json


def new(call: Call) -> Answer:
    """Attach aliases to users, or create alias-only users. The 201 is that of /users/identify."""
    wanted = []
    for index, obj in enumerate(array(call, "user_aliases")):
        where = f"user_aliases[{index}]"
        # The recordings nest the two names in a `user_alias`; the documentation does not.
        alias = obj.get("user_alias", obj) if isinstance(obj, dict) else obj
        texts(alias, where, "alias_label", "alias_name")
        external_id = texts(obj, where, "external_id")[0] if obj.get("external_id") is not None else None
        wanted.append((where, _checked(alias, where), external_id, obj))
    call.apply(each(partial(_attach, call), wanted))
    return success({"aliases_processed": len(wanted)}, 201)


def _checked(obj: Json, where: str) -> tuple[str, str]:
    try:
        label, name = check_alias(obj).value
    except Rejected as why:
        raise bad(f"{where}: {why}") from None
    return label, name


def _attach(call: Call, where: str, alias: tuple[str, str], external_id: str | None, obj: Json) -> None:
    profiles = call.instance.profiles
    report = partial(call.report, path=where, obj=obj)
    if profiles.find("alias", alias):
        report("the alias is taken: nothing happens")
    elif external_id is None:
        profiles.create("alias", alias)
    elif (profile := profiles.find("external_id", external_id)) is None:
        report("no user has the external ID that an alias is for: nothing happens")
    elif alias[0] in profile.aliases:
        # One name per label; which of the two is kept is not documented.
        report("the user has another alias with that label (docs silent: it stays)")
    else:
        profiles.add_alias(profile, *alias)


def update(call: Call) -> Answer:
    """Rename aliases. The response is not documented: here it has only the message."""
    renames = []
    for index, obj in enumerate(array(call, "alias_updates")):
        where = f"alias_updates[{index}]"
        label, old, new_name = texts(obj, where, "alias_label", "old_alias_name", "new_alias_name")
        _checked({"alias_label": label, "alias_name": new_name}, where)
        renames.append((label, old, new_name))
    if {(label, old) for label, old, _ in renames} & {(label, name) for label, _, name in renames}:
        call.report("alias updates that build on each other have no defined order", "alias_updates", call.body)
    call.apply(each(partial(_rename, call), renames))
    return success({}, 201)


def _rename(call: Call, label: str, old: str, name: str) -> None:
    profiles = call.instance.profiles
    profile = profiles.find("alias", (label, old))
    if profile is None:
        call.report("no user has the alias that is to be renamed: nothing happens", "alias_updates", [label, old])
    elif profiles.find("alias", (label, name)):
        call.report("the new name of an alias is taken (docs silent): nothing happens", "alias_updates", [label, name])
    else:
        profiles.add_alias(profile, label, name)


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/users/alias/new",
        permission="users.alias.new",
        pool="identity",
        handler=new,
        touches=mentioned,
    ),
    Endpoint(
        method="POST",
        path="/users/alias/update",
        permission="users.alias.update",
        pool="identity",
        handler=update,
        touches=mentioned,
    ),
]
