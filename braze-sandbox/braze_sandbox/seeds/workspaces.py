"""Seed data for workspaces: campaigns, Canvases, segments, cards, names; the same on every run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from braze_sandbox.model.ids import key
from braze_sandbox.model.workspace import Campaign, Canvas, Card, Segment, Workspace
from braze_sandbox.seeds.messages import control, message, survey, whats_app_response

BEGINNING = datetime(2024, 1, 8, 9, 30, tzinfo=timezone.utc)

APPS = ("Shop iOS", "Shop Android", "Shop Web")

ODD_EVENTS = [
    "added to cart",
    "a&b test",
    "plus+minus",
    "path/to/event",
    "#hash",
    "50% off",
    "naïve café",
    "注文完了",
    "🎉 party",
    "question?",
    'quoted "name"',
    "semi;colon=equals",
    "100%25",
    "Zebra",
]


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a seed."""

    campaigns: int = 0
    canvases: int = 0
    segments: int = 0
    events: int = 0
    cards: int = 0
    products: int = 0
    users: int = 0
    odd: bool = False
    """Whether some objects are archived, drafts, never sent, or oddly named."""


SEEDS = {
    "empty": Plan(),
    "small": Plan(campaigns=5, canvases=3, segments=3, events=4, cards=2, products=3),
    "demo": Plan(campaigns=123, canvases=108, segments=20, events=262, cards=6, products=12, users=60, odd=True),
    "bench": Plan(campaigns=500, canvases=100, segments=50, events=200, cards=20, products=20),
}


def plant(name: str) -> Workspace:
    """Return a seed's workspace, without its users and the objects of `seeds/objects.py`."""
    if name not in SEEDS:
        raise ValueError(f"there is no seed {name!r}, only {', '.join(SEEDS)}")
    plan = SEEDS[name]
    workspace = Workspace(
        campaigns={campaign.id: campaign for campaign in map(_campaign, range(plan.campaigns))},
        canvases={canvas.id: canvas for canvas in map(_canvas, range(plan.canvases))},
        segments={segment.id: segment for segment in map(_segment, range(plan.segments))},
        cards={card.id: card for card in map(_card, range(plan.cards))},
        events=_events(plan),
        products={f"sku-{1000 + number}" for number in range(plan.products)},
        apps={key("app", app): app for app in APPS} if name != "empty" else {},
        control_group=_control_group() if name != "empty" else None,
    )
    if plan.odd:
        _make_odd(workspace)
    return workspace


CHANNELS: list[list[str]] = [
    ["email"],
    ["ios_push", "android_push"],
    ["sms"],
    ["in_app_message"],
    ["email", "ios_push"],
    ["whats_app"],
    ["content_cards"],
    ["webhook"],
    ["web_push", "kindle_push"],
]
MULTIVARIATE, SURVEY, RESPONSE, BANNER, TRANSACTIONAL = 3, 12, 14, 16, 18


def _campaign(number: int) -> Campaign:
    channels = CHANNELS[number % len(CHANNELS)]
    multivariate = number % len(CHANNELS) == MULTIVARIATE
    messages: dict[str, dict[str, Any]] = {}
    for channel in channels:
        for variant in range(2 if multivariate or number % 4 == 0 else 1):
            variation = key(f"campaign/{number}/{channel}", variant)
            messages[variation] = message(channel, f"Variant {variant + 1}", number)
    if number == SURVEY:
        messages = {key(f"campaign/{number}/survey", 0): survey("Survey", "choice")}
    if number == RESPONSE:
        messages[key(f"campaign/{number}/response", 0)] = whats_app_response("Response")
    if number == BANNER:
        channels = ["banners"]
        messages = {key(f"campaign/{number}/banner", 0): message("banners", "Variant 1", number)}
    if multivariate or number % 8 == 0:
        messages[key(f"campaign/{number}/control", 0)] = control(channels[0])
    by_api = number % 3 == 2 or number == TRANSACTIONAL  # noqa: PLR2004 - the third schedule type
    created = BEGINNING + timedelta(days=number % 97 * 5, minutes=number)
    first_sent = created + timedelta(days=2)
    ended = number % 5 == 4  # noqa: PLR2004 - one in five is over
    return Campaign(
        id=key("campaign", number),
        name=f"Campaign {number:03}",
        description=f"What campaign {number} is for",
        created_at=created,
        updated_at=created + timedelta(days=number % 31, hours=3),
        channels=channels,
        messages=messages,
        schedule_type=("time_based", "action_based", "api_triggered")[2 if by_api else number % 3],
        is_api_campaign=by_api,
        transactional=number == TRANSACTIONAL,
        multivariate=multivariate,
        enabled=not ended,
        first_sent=first_sent,
        last_sent=first_sent + timedelta(days=300) if ended else None,
        tags=["seed", f"team {number % 3}"] if number % 4 else [],
        teams=["Lifecycle"] if number % 2 else [],
        conversion_behaviors=_BEHAVIORS[: number % 6],
    )


_BEHAVIORS: list[dict[str, Any]] = [
    {"type": "Opens Email", "window": 259_200},
    {"type": "Performs Custom Event", "window": 86_400, "custom_event_name": "event 001"},
    {"type": "Makes Specific Purchase", "window": 604_800, "product": "sku-1001"},
    {"type": "Starts Session", "window": 86_400, "app_ids": None},
    {"type": "Clicks Email", "window": 259_200},
]


def _canvas(number: int) -> Canvas:
    channels = [CHANNELS[number % 3][0], *(["sms"] if number % 2 else [])]
    steps: list[dict[str, Any]] = []
    paths = ["yes", "no"]
    for at in range(1 + number % 4):
        split = at == 1
        messages = {
            key(f"canvas/{number}/{at}/{channel}", 0): message(channel, f"Step {at}", number) for channel in channels
        }
        following = [key(f"canvas/{number}/step", at + 1)] if at < number % 4 else []
        steps.append(
            {
                "name": f"Step {at}",
                "type": "decision_split" if split else "message",
                "id": key(f"canvas/{number}/step", at),
                "next_step_ids": [] if split else following,
                "next_paths": [
                    {"name": name, "next_step_id": step} for name in (paths if split else [None]) for step in following
                ],
                "channels": [] if split else channels,
                "messages": {} if split else messages,
            }
        )
    gone = key(f"canvas/{number}/step", "gone")
    variants = [
        {"name": name, "id": key(f"canvas/{number}/variant", name), "first_step_ids": [steps[0]["id"]]}
        for name in ("Variant 1", "Variant 2")[: 1 + number % 2]
    ]
    if number % 3 == 0:
        variants.append({"name": "Control", "id": key(f"canvas/{number}/variant", "control"), "first_step_ids": []})
    created = BEGINNING + timedelta(days=number % 89 * 6, minutes=number)
    ended = number % 6 == 5  # noqa: PLR2004 - one in six is over
    return Canvas(
        id=key("canvas", number),
        name=f"Canvas {number:03}",
        description=f"What Canvas {number} is for",
        created_at=created,
        updated_at=created + timedelta(days=number % 29, hours=5),
        schedule_type="api_triggered" if number % 3 == 1 else "action_based",
        variants=variants,
        steps=steps,
        deleted_steps=[{"name": "Deleted step", "id": gone, "messages": {"gone": {"channel": "email"}}}],
        first_entry=created + timedelta(days=1),
        last_entry=created + timedelta(days=250) if ended else None,
        enabled=not ended,
        channels=channels,
        tags=["seed"] if number % 3 else [],
        teams=["Lifecycle"] if number % 2 else [],
        conversions=1 + number % 3,
    )


def _segment(number: int) -> Segment:
    created = BEGINNING + timedelta(days=number * 3)
    return Segment(
        id=key("segment", number),
        name=f"Segment {number:02}",
        created_at=created,
        updated_at=created + timedelta(days=number, hours=1),
        description=f"Has done event {number:03} at least once",
        text_description=f"People of segment {number}" if number % 2 else "",
        analytics_tracking_enabled=number % 4 != 3,  # noqa: PLR2004 - one in four is without
        tags=["seed"] if number % 2 else [],
        teams=["Lifecycle"] if number % 3 else [],
        # The first one includes everyone.
        share=1 / (1 + number % 4),
    )


def _control_group() -> Segment:
    return Segment(
        id=key("segment", "control"),
        name="Global Control Group",
        created_at=BEGINNING,
        updated_at=BEGINNING,
        share=0.1,
    )


def _card(number: int) -> Card:
    created = BEGINNING + timedelta(days=number * 2)
    return Card(
        id=key("card", number),
        type=("NewsItem", "CaptionedImage", "Banner")[number % 3],
        title=f"Card {number}",
        name=f"card-{number}",
        description=f"Text of card {number}",
        image_url=f"https://img.example/card-{number}.png",
        created_at=created,
        updated_at=created + timedelta(days=1),
        publish_at=created + timedelta(days=2),
        end_at=created + timedelta(days=900) if number % 2 else None,
        tags=["seed"],
        extras={"slot": str(number)},
    )


def _events(plan: Plan) -> set[str]:
    odd = ODD_EVENTS if plan.odd else []
    return {*odd, *(f"event {number:03}" for number in range(plan.events - len(odd)))}


def _make_odd(workspace: Workspace) -> None:
    campaigns = list(workspace.campaigns.values())
    for campaign in campaigns[7::15]:
        campaign.archived, campaign.enabled = True, False
    for campaign in campaigns[10::40]:
        campaign.draft, campaign.enabled, campaign.first_sent, campaign.last_sent = True, False, None, None
    for campaign in campaigns[20::50]:
        campaign.first_sent = campaign.last_sent = None
    campaigns[1].name = 'Spring "sale", 50% off & more: größer, 日本語 🎉'
    campaigns[2].name = " leading and trailing spaces "
    campaigns[3].has_post_launch_draft = True
    campaigns[5].messages = {}
    campaigns[5].channels = []
    campaigns[6].description = "two\nlines\tand a tab"
    canvases = list(workspace.canvases.values())
    for canvas in canvases[9::20]:
        canvas.archived, canvas.enabled = True, False
    for canvas in canvases[11::50]:
        canvas.draft, canvas.enabled, canvas.first_entry, canvas.last_entry = True, False, None, None
    canvases[1].has_post_launch_draft = True
    canvases[2].steps, canvases[2].variants = [], []
    list(workspace.segments.values())[-1].name = "Umsatz > 100 €"
    list(workspace.cards.values())[-1].archived = True
    workspace.products |= {"gift card 50 €", "tea & biscuits"}
