"""Seed data for users: with and without identifiers, and with everything an export can include."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import iso
from braze_sandbox.model.ids import key
from braze_sandbox.rules.attributes import apply_attributes

if TYPE_CHECKING:
    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.profiles import Profiles
    from braze_sandbox.model.workspace import Campaign, Canvas, Workspace

CREATED = datetime(2024, 2, 1, 8, tzinfo=timezone.utc)
UNIDENTIFIED = 6
"""One in this many users, at the end, has no external ID: some have only an alias, some only a Braze ID."""

_FIRST = ["Ada", "Björn", "Chiara", "Dmitri", "Eun-ji", "Fatima", "Gael", "Hana", "Ines", "Jun"]
_LAST = ["Okafor", "Lund", "Rossi", "Ivanov", "Kim", "Haddad", "Moreau", "Sato", "Silva", "Wei"]
_COUNTRIES = ["NG", "SE", "IT", "BG", "KR", "LB", "FR", "JP", "PT", "CN"]
_CITIES = ["Lagos", "Malmö", "Milano", "София", "서울", "Beirut", "Lyon", "東京", "Porto", "成都"]
_ZONES = ["Africa/Lagos", "Europe/Stockholm", "Europe/Rome", "Europe/Sofia", "Asia/Seoul"]


def populate(profiles: Profiles, count: int, now: datetime) -> None:
    """Create a workspace's users. Recent activity ends before the UTC day of `now`; everything else has fixed dates."""
    identified = count - count // UNIDENTIFIED
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(count):
        if number < identified:
            profile, attributes = _identified(profiles, number), _attributes(number)
        else:
            profile, attributes = _unidentified(profiles, number), {"language": "en", "visits": number % 5}
        profile.created_at = min(CREATED + timedelta(days=number % 300, milliseconds=number), midnight)
        apply_attributes(profiles, profile, attributes, lambda _reason, _path: None)
        if number % 6 == 0:
            # From before attribute types became permanent: a number for some users, a text for others.
            profile.custom_attributes["legacy_score"] = number if number % 12 else f"{number} points"
        profile.observed = _observed(profile, profiles.workspace, number, midnight)
        profiles.touch(profile)


def _identified(profiles: Profiles, number: int) -> Profile:
    profile = profiles.create(external_id=f"user-{number:03}")
    for label in ("crm", "web")[: number % 3]:
        profiles.add_alias(profile, label, f"{label}-{number:03}")
    return profile


def _unidentified(profiles: Profiles, number: int) -> Profile:
    return profiles.create("alias", ("web", f"visitor-{number:03}")) if number % 2 else profiles.create()


def _attributes(number: int) -> dict[str, Any]:
    return {
        "first_name": _FIRST[number % 10],
        "last_name": _LAST[number // 5 % 10],
        "email": f"user-{number:03}@shop.example",
        "phone": f"+1555{number:07}" if number % 4 == 0 else None,
        "dob": f"{1950 + number % 50}-{1 + number % 12:02}-{1 + number % 28:02}" if number % 3 else None,
        "gender": "MFONP"[number % 5] if number % 7 else None,
        "country": _COUNTRIES[number % 10],
        "home_city": _CITIES[number % 10],
        "language": "en",
        "time_zone": _ZONES[number % 10] if number % 10 < len(_ZONES) else None,
        "current_location": {"longitude": -8.61 + number % 10, "latitude": 41.15} if number % 5 == 0 else None,
        "email_subscribe": ("subscribed", "opted_in", "unsubscribed")[number % 3],
        "push_subscribe": ("opted_in", "subscribed", "unsubscribed")[number % 3],
        "plan": ("free", "plus", "pro")[number % 3],
        "orders": number % 7,
        "spent": round(number * 13.37, 2),
        "newsletter": number % 2 == 0,
        "interests": ["tea", "books", "music"][: 1 + number % 3],
        "address": {"city": "Porto", "zip": f"{4000 + number}"},
        "joined_at": f"2024-02-{1 + number % 28:02}T08:00:00Z",
        "pets": [{"name": "Rex 🐕", "age": number % 9}, {"name": "Mia"}] if number % 5 == 1 else None,
    }


def _observed(profile: Profile, workspace: Workspace, number: int, midnight: datetime) -> dict[str, Any]:
    """Add a user's activity and received messages before today's `midnight`."""
    recent = midnight - timedelta(days=1 + number % 60) + timedelta(hours=number % 24, seconds=number % 3600)
    apps = list(workspace.apps.values())
    observed = {
        **(_on_a_device(apps[number % len(apps)], number, recent, profile) if apps else {"created_from": "rest_api"}),
        "custom_events": _counted(sorted(workspace.events), number, number % 4, recent),
        "purchases": (bought := _counted(sorted(workspace.products), number, int(number % 3 == 1), recent)),
        "total_revenue": round(sum(row["count"] for row in bought) * (1 + number % 90 / 4), 2),
        "campaigns_received": _campaigns(list(workspace.campaigns.values()), number, recent),
        "canvases_received": _canvases(list(workspace.canvases.values()), number, recent),
        "cards_clicked": [{"name": card.title} for card in list(workspace.cards.values())[: number % 3]],
    }
    if number % 5 == 0:
        observed |= {
            "attributed_campaign": "spring",
            "attributed_source": "search",
            "attributed_adgroup": f"group {number % 3}",
            "attributed_ad": f"ad {number % 7}",
        }
    return observed


def _counted(names: list[str], number: int, many: int, recent: datetime) -> list[dict[str, Any]]:
    """Return some of the events or products with these names. The last of three is too old for any export."""
    rows = []
    for step in range(many if names else 0):
        last = recent - timedelta(days=[0, 1, 200][step])
        count = 1 + (number + step) % 9
        first = last - timedelta(days=count - 1)
        name = names[(number + step) % len(names)]
        rows.append({"name": name, "first": iso(first), "last": iso(last), "count": count})
    return rows


def _on_a_device(app: str, number: int, recent: datetime, profile: Profile) -> dict[str, Any]:
    platform = app.rpartition(" ")[2]
    device_id = key("device", number)
    seen: dict[str, Any] = {
        "created_from": "sdk",
        "apps": [
            {
                "name": app,
                "platform": platform,
                "version": f"{1 + number % 4}.{number % 10}",
                # Their type differs between pages of the docs.
                "sessions": 1 + number % 40 if number % 2 else f"{1 + number % 40}",
                "first_used": iso(CREATED + timedelta(days=number % 300)),
                "last_used": iso(recent),
            }
        ],
        "devices": [_device(platform, number, device_id)],
        "uninstalled_at": iso(recent + timedelta(hours=1)) if number % 11 == 3 else None,  # noqa: PLR2004 - some
    }
    if profile.attributes.get("push_subscribe") == "opted_in":
        seen["push_opted_in_at"] = iso(CREATED + timedelta(days=number % 300, hours=1))
    if platform != "Web":
        seen["push_tokens"] = [
            {
                "app": app,
                "platform": platform,
                "token": key("token", number),
                "device_id": device_id,
                "notifications_enabled": number % 4 != 0,
                "provisionally_opted_in": number % 2 == 0 if platform == "iOS" else None,
            }
        ]
    return seen


def _device(platform: str, number: int, device_id: str) -> dict[str, Any]:
    tracked = number % 2 == 0
    if platform == "iOS":
        known = {"model": "iPhone 17", "os": "iOS 26.1", "carrier": None, "idfv": device_id}
        return {**known, **({"idfa": key("ad", number)} if tracked else {}), "ad_tracking_enabled": tracked}
    if platform == "Android":
        known = {"model": "Pixel 10", "os": "Android 16", "carrier": "Telco", "device_id": device_id}
        return {**known, "google_ad_id": key("ad", number), "ad_tracking_enabled": tracked}
    if number % 4 == 0:
        known = {"model": "Roku Ultra", "os": "Roku 15", "carrier": None, "roku_ad_id": key("ad", number)}
        return {**known, "ad_tracking_enabled": tracked}
    return {"model": "Firefox", "os": "Linux", "carrier": None, "device_id": device_id, "ad_tracking_enabled": False}


def _campaigns(campaigns: list[Campaign], number: int, recent: datetime) -> list[dict[str, Any]]:
    sent = [campaign for campaign in campaigns if campaign.messages]
    rows = []
    for step in range(number % 4 if sent else 0):
        campaign = sent[(number * 3 + step) % len(sent)]
        converted = (number + step) % 5 == 0
        row: dict[str, Any] = {
            "name": campaign.name,
            "api_campaign_id": campaign.id,
            "last_received": iso(recent - timedelta(hours=step)),
            "engaged": {"opened_email": step == 0, "clicked_email": converted} if "email" in campaign.channels else {},
            "converted": converted,
        }
        if "ios_push" in campaign.channels:
            row["engaged"]["opened_push"] = step == 1
        if "in_app_message" in campaign.channels:
            row["engaged"]["clicked_triggered_in_app_message"] = converted
        if campaign.conversion_behaviors:
            row["multiple_converted"] = {one["type"]: converted for one in campaign.conversion_behaviors}
        if campaign.multivariate:
            variation, message = list(campaign.messages.items())[number % len(campaign.messages)]
            control = message.get("type") == "control"
            row |= {
                "variation_name": message.get("name", "Variant"),
                "variation_api_id": variation,
                "in_control": control,
            }
        rows.append(row)
    return rows


def _canvases(canvases: list[Canvas], number: int, recent: datetime) -> list[dict[str, Any]]:
    entered = [canvas for canvas in canvases if canvas.variants and canvas.steps]
    if not entered or number % 3 == 0:
        return []
    canvas = entered[number % len(entered)]
    variant = canvas.variants[number % len(canvas.variants)]
    control = not variant["first_step_ids"]
    row: dict[str, Any] = {
        "name": canvas.name,
        "api_canvas_id": canvas.id,
        # One time with Z and one with +00:00, as in the sample of the docs.
        "last_entered": iso(recent - timedelta(hours=2)),
        "last_exited": (recent + timedelta(minutes=5)).isoformat() if number % 2 else None,
        "variation_name": variant["name"],
        "in_control": control,
        "last_entered_control_at": iso(recent - timedelta(hours=2)) if control else None,
    }
    if not control:
        step = canvas.steps[0]
        received = {"name": step["name"], "api_canvas_step_id": step["id"], "last_received": recent.isoformat()}
        row |= {"last_received_message": recent.isoformat(), "steps_received": [received]}
    return [row]
