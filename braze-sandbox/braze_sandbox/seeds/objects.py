"""Seed data for objects: templates, catalogs, definitions, lists, integrations; no campaigns or users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from braze_sandbox.model.ids import key
from braze_sandbox.model.objects import (
    Broadcast,
    Catalog,
    ContentBlock,
    CustomAttribute,
    CustomEvent,
    DataObjectType,
    Integration,
    Locale,
    PreferenceCenter,
    Run,
    Send,
    SubscriptionGroup,
    Suppressed,
    Template,
    Translation,
)
from braze_sandbox.seeds.administration import dashboard_user, sdk_key
from braze_sandbox.seeds.messages import GROUP
from braze_sandbox.seeds.workspaces import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a seed."""

    templates: int = 3
    content_blocks: int = 3
    catalogs: tuple[int, ...] = (5, 0)
    """Number of items in each catalog."""
    attributes: int = 6
    preference_centers: int = 1
    broadcasts: int = 2
    suppressed: int = 0
    """Of 256 hours since the beginning of 2025, how many had an address suppressed; 0: three in March 2026."""
    integrations: tuple[int, ...] = (3, 0)
    """Number of syncs of each integration."""
    sends: int = 1
    groups: int = 2
    odd: bool = False
    """Whether some are oddly named, hidden, or deleted."""


PLANS = {
    "small": Plan(),
    "demo": Plan(
        templates=153,
        content_blocks=124,
        catalogs=(260, 50, 51, 0),
        attributes=70,
        preference_centers=4,
        broadcasts=9,
        suppressed=16,
        integrations=(34, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8),
        sends=6,
        groups=4,
        odd=True,
    ),
    "bench": Plan(),
}


def furnish(workspace: Workspace, seed: str, now: datetime) -> None:
    """Add a seed's objects to its workspace. Sends and broadcasts lie around `now`; everything else has fixed dates."""
    plan = PLANS.get(seed)
    if plan is None:
        return
    workspace.event_definitions = dict(_event_definitions(sorted(workspace.events)[:: 2 if plan.odd else 1]))
    workspace.attribute_definitions = dict(map(_attribute, range(plan.attributes)))
    workspace.templates = {template.id: template for template in map(_template, range(plan.templates))}
    workspace.content_blocks = {block.id: block for block in map(_content_block, range(plan.content_blocks))}
    workspace.catalogs = {
        catalog.name: catalog for catalog in (_catalog(number, size) for number, size in enumerate(plan.catalogs))
    }
    workspace.preference_centers = {
        center.id: center for center in map(_preference_center, range(plan.preference_centers))
    }
    workspace.hard_bounces = list(_suppressed("bounce", plan, now))
    workspace.unsubscribes = list(_suppressed("unsubscribe", plan, now))
    workspace.invalid_phone_numbers = list(_suppressed("number", plan, now))
    workspace.integrations = {
        integration.id: integration
        for integration in (_integration(number, runs) for number, runs in enumerate(plan.integrations))
    }
    workspace.sdk_keys = [sdk_key(app, number) for app in list(workspace.apps)[:2] for number in range(2)]
    workspace.data_objects = {ACCOUNT: _accounts()}
    workspace.dashboard_users = {user["id"]: user for user in map(dashboard_user, range(3))}
    workspace.subscription_groups = {group.id: group for group in GROUPS[: plan.groups]}
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    _schedule(workspace, plan, midnight)
    _translate(workspace, plan)
    if plan.odd:
        _make_odd(workspace)


def _event_definitions(names: list[str]) -> Iterator[tuple[str, CustomEvent]]:
    for number, name in enumerate(names):
        yield (
            name,
            CustomEvent(
                description=f"Somebody did: {name}",
                included_in_analytics_report=number % 3 == 0,
                tag_names=["seed", "web"][: number % 3] or None,
            ),
        )


_TYPES = ("String", "Number", "Boolean", "Time", "Array", "Object", "Object Array")


def _attribute(number: int) -> tuple[str, CustomAttribute]:
    data_type = _TYPES[number % len(_TYPES)]
    return f"attribute {number:03}", CustomAttribute(
        description=f"What attribute {number} is for" if number % 3 else None,
        data_type=data_type,
        array_length=25 if data_type == "Array" else None,
        tag_names=["seed"] if number % 2 else [],
    )


def _template(number: int) -> Template:
    # Microseconds, because list bounds have that precision; pairs of templates share a time of change.
    created = BEGINNING + timedelta(days=number % 83 * 8, minutes=number, microseconds=number * 1001)
    changed = BEGINNING + timedelta(days=700 + number // 2 % 60, microseconds=123_456 + number // 2)
    return Template(
        id=key("template", number),
        name=f"Template {number:03}",
        description=f"What template {number} is for",
        created_at=created,
        updated_at=changed,
        subject=f"News no. {number} for {{{{${{first_name}}}}}}",
        preheader="Worth a look" if number % 2 else "",
        body=f'<html><body><img src="https://img.example/{number}.png"><p>Grüße no. {number}</p></body></html>',
        plaintext_body=f"Grüße no. {number}",
        should_inline_css=number % 3 != 0,
        tags=["seed", f"team {number % 3}"] if number % 4 else [],
    )


def _content_block(number: int) -> ContentBlock:
    created = BEGINNING + timedelta(days=number % 71 * 9, minutes=number, microseconds=number * 777)
    changed = BEGINNING + timedelta(days=690 + number // 2 % 70, microseconds=654_321 + number // 2)
    return ContentBlock(
        id=key("content block", number),
        name=f"block_{number:03}",
        description=f"What block {number} is for",
        created_at=created,
        updated_at=changed,
        content=f"<p>Block {number}</p>" if number % 3 else f"Block {number}",
        content_type="html" if number % 3 else "text",
        tags=["seed"] if number % 2 else [],
        included_in=[
            {"campaign_id": key("campaign", number), "message_variation_id": key(f"campaign/{number}/email", at)}
            for at in range(number % 3)
        ],
    )


_CATALOGS = ("products", "restaurants", "stores-2024", "Empty_One")
_FIELDS = (
    ("id", "string"),
    ("title", "string"),
    ("price", "number"),
    ("in_stock", "boolean"),
    ("released_at", "time"),
    ("dimensions", "object"),
    ("labels", "array"),
    ("warehouse", "geo"),
    ("Title", "string"),
)


def _catalog(number: int, size: int) -> Catalog:
    items = (_item(number, at) for at in range(size))
    return Catalog(
        name=_CATALOGS[number],
        description=f"What catalog {number} is for",
        updated_at=BEGINNING + timedelta(days=500 + number, milliseconds=879 + number),
        fields=[{"name": name, "type": kind} for name, kind in _FIELDS],
        items={item["id"]: item for item in items},
    )


def _item(catalog: int, number: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": f"item-{number:03}",
        "title": f"Thing no. {number} ✓",
        "price": round(number * 1.5 + 0.49, 2) if number % 3 else number,
        "in_stock": number % 4 != 0,
        "released_at": f"2024-{1 + number % 12:02}-{1 + number % 28:02}T09:03:19.967Z",
        "dimensions": {"width": number, "unit": "cm"},
        "labels": ["new", "sale"][: number % 3],
        "warehouse": [-8.61 + catalog, 41.15 + number % 10],
        "Title": f"THING {number}",
    }
    if number % 10 == 7:  # noqa: PLR2004 - one in ten lacks a value, one has null
        del item["dimensions"]
    elif number % 10 == 8:  # noqa: PLR2004 - as above
        item["labels"] = None
    return item


def _preference_center(number: int) -> PreferenceCenter:
    created = BEGINNING + timedelta(days=40 * number)
    return PreferenceCenter(
        id=key("preference center", number),
        name=f"Center {number}",
        created_at=created,
        updated_at=created + timedelta(days=300),
        title=f"What center {number} asks",
        page_html=f"<html><body><h1>Center {number}</h1></body></html>",
        confirmation_html="<html><body>Saved</body></html>",
        redirect_html="<html><body>Gone</body></html>" if number % 2 else None,
        options={"meta-viewport-content": "width=device-width, initial-scale=2"},
        state="draft" if number == 3 else "active",  # noqa: PLR2004 - the last of the demo
    )


_FIRST_DAY = date(2025, 1, 1)


def _suppressed(kind: Literal["bounce", "unsubscribe", "number"], plan: Plan, now: datetime) -> Iterator[Suppressed]:
    """Yield entries from a hash of the day, so that history grows daily without changing."""
    if not plan.suppressed:
        # The second one falls on the edge of a day.
        moments = [datetime(2026, 3, day, hour, tzinfo=timezone.utc) for day, hour in ((2, 10), (6, 0), (18, 15))]
        for number, moment in enumerate(moments):
            yield _entry(kind, number, moment)
        return
    for day in range((now.date() - _FIRST_DAY).days + 1):
        noise = blake2b(f"{kind}/{day}".encode(), digest_size=48).digest()
        for hour, second in enumerate(noise[24:]):
            if noise[hour] >= plan.suppressed:
                continue
            moment = datetime.combine(_FIRST_DAY, time(hour), timezone.utc) + timedelta(days=day, seconds=second * 14)
            if moment > now:
                continue
            # Some coincide: a page may end between two entries of the same second.
            for twin in range(2 if second % 4 == 0 else 1):
                yield _entry(kind, (day * 24 + hour) * 2 + twin, moment)


def _entry(kind: str, number: int, moment: datetime) -> Suppressed:
    if kind == "number":
        reason = "deactivated" if number % 3 == 0 else "provider_error"
        return Suppressed(address=f"+1555{number:07}", at=moment, reason=reason)
    return Suppressed(address=f"{kind}+{number}@shop.example", at=moment)


def _integration(number: int, runs: int) -> Integration:
    first = BEGINNING + timedelta(days=400 + number, hours=number)
    made = [_run(first + timedelta(days=at), at) for at in range(runs)]
    if number == 0 and made:
        made[-1].status, made[-1].finished_at, made[-1].last_timestamp_synced = "running", None, None
    return Integration(
        id=key("integration", number),
        name=f"Sync {number}",
        type=("Attributes", "Events", "Purchases", "User Delete")[number % 4],
        status="Active" if number % 5 else "Paused",
        contact_emails="data@shop.example" + (", ops@shop.example" if number % 2 else ""),
        warehouse_type=("Snowflake", "BigQuery", "Redshift", "Databricks")[number % 4],
        next_scheduled_run=first + timedelta(days=runs) if number % 3 else None,
        runs=made,
    )


def _run(started: datetime, number: int) -> Run:
    status = ("success", "success", "partial", "success", "error", "success", "config_error")[number % 7]
    return Run(
        started_at=started,
        finished_at=started + timedelta(minutes=1 + number % 9),
        status=status,
        last_timestamp_synced=started - timedelta(minutes=5),
        rows_synced=0 if "error" in status else 1000 + number,
        rows_failed={"partial": 7, "error": 1000}.get(status, 0),
    )


ACCOUNT = "account"


def _accounts() -> DataObjectType:
    names = {f"acct-{number}": f"Account {number}" for number in range(3)}
    return DataObjectType(
        name=ACCOUNT,
        fields={"name": "string", "industry": "string", "credits": "number", "since": "time", "active": "boolean"},
        display_name_source="name",
        user_relationships={"account_user": {"role": "string"}},
        object_relationships={("subaccount", ACCOUNT): {}},
        records={key: {"name": name, "industry": "retail"} for key, name in names.items()},
        display_names=names,
        links={("acct-0", "subaccount", ACCOUNT, "acct-1"): {}},
    )


GROUPS = [
    SubscriptionGroup(id=key("group", "newsletter"), name="Newsletter", channel="email"),
    SubscriptionGroup(id=GROUP, name="Parcel texts", channel="sms"),
    SubscriptionGroup(id=key("group", "offers"), name="Offers & more", channel="email"),
    SubscriptionGroup(id=key("group", "chat"), name="Chat", channel="whatsapp"),
]


def _schedule(workspace: Workspace, plan: Plan, midnight: datetime) -> None:
    """Add sends from recent weeks, some too old for the API, and broadcasts for the coming weeks."""
    tracked = [campaign for campaign in workspace.campaigns.values() if campaign.is_api_campaign]
    for number in range(plan.sends):
        send = Send(
            id=f"send-{number}",
            campaign_id=tracked[number // 2].id,
            sent_at=midnight - timedelta(days=number * 4 + 2) + timedelta(hours=9),
        )
        workspace.sends[send.id] = send
    campaigns, canvases = list(workspace.campaigns.values()), list(workspace.canvases.values())
    kinds: tuple[Literal["company", "local_time_zones", "intelligent_delivery"], ...] = (
        "company",
        "local_time_zones",
        "intelligent_delivery",
    )
    for number in range(plan.broadcasts):
        canvas = number % 3 == 1
        of = (canvases if canvas else campaigns)[number]
        workspace.broadcasts.append(
            Broadcast(
                id=of.id,
                name=of.name,
                type="Canvas" if canvas else "Campaign",
                tags=of.tags,
                next_send_time=midnight + timedelta(days=number * 5 + 1, hours=8 + number),
                daily=number % 4 == 0,
                schedule_type=kinds[number % 3],
            )
        )


_LOCALES = (("es-MX", "MX", "es"), ("fr-CA", "CA", "fr"), ("zh-HK", "HK", "zh"))


def _translate(workspace: Workspace, plan: Plan) -> None:
    """Translate the first campaign, a Canvas step, and every tenth template and block."""
    locales = [
        Locale(uuid=key("locale", name), name=name, country=country, language=language)
        for name, country, language in _LOCALES
    ]
    workspace.locales = {locale.uuid: locale for locale in locales}
    first = next(iter(workspace.campaigns.values()), None)
    canvas = next(iter(workspace.canvases.values()), None)
    keys = [
        *(first.messages if first else ()),
        *(canvas.steps[0]["messages"] if canvas else ()),
        *(key("template", number) for number in range(0, plan.templates, 10)),
        *(key("content block", number) for number in range(0, plan.content_blocks, 10)),
    ]
    for one in keys:
        # The last locale is set up but has no translations.
        workspace.translations[one] = Translation(
            source={"id_0": "Hello!", "id_1": "Where is the library?"},
            locales={
                locales[0].uuid: {"id_0": "¡Hola!", "id_1": "¿Dónde está la biblioteca?"},
                locales[1].uuid: {"id_0": "Bonjour!", "id_1": "Où est la bibliothèque?"},
            },
        )


def _make_odd(workspace: Workspace) -> None:
    templates, blocks = list(workspace.templates.values()), list(workspace.content_blocks.values())
    for template in templates[9::50]:
        template.drag_and_drop = True
    templates[1].name = 'Sale "50%" & more, 日本語 🎉'
    templates[2].body = "two\nlines\tand a tab"
    blocks[5].deleted = blocks[60].deleted = True
    blocks[1].content = "{{custom_attribute.${plan}}} & <b>ü</b>"
    workspace.attribute_definitions["Zebra größe"] = CustomAttribute(data_type="String")
    workspace.blocked_attributes.add("attribute 013")
