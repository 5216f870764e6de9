"""A workspace: its campaigns, Canvases, segments, and cards, plus containers for everything else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from braze_sandbox.model.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from braze_sandbox.model.messages import LiveActivity, Message, Schedule
    from braze_sandbox.model.objects import (
        Broadcast,
        Catalog,
        ContentBlock,
        CustomAttribute,
        CustomEvent,
        DataObjectType,
        Integration,
        Locale,
        MediaAsset,
        PreferenceCenter,
        SdkKey,
        Send,
        SubscriptionGroup,
        Suppressed,
        Template,
        Translation,
    )

Kind = Literal["campaigns", "canvases", "segments", "cards", "events", "products", "kpi", "sessions", "sends"]
Archivable = Literal["campaigns", "canvases", "segments", "cards"]
Editable = Literal[
    "campaigns", "canvases", "segments", "cards", "templates", "content_blocks", "catalogs", "preference_centers"
]
Deletable = Literal[
    "campaigns",
    "canvases",
    "segments",
    "cards",
    "templates",
    "content_blocks",
    "catalogs",
    "preference_centers",
    "integrations",
    "sends",
]


@dataclass(slots=True, kw_only=True)
class Campaign:
    """A campaign; its figures derive from its id, its messages, and its send days."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    channels: list[str]
    messages: dict[str, dict[str, Any]]
    """By message variation id, in the format of /campaigns/details."""
    description: str = ""
    schedule_type: str = "time_based"
    archived: bool = False
    draft: bool = False
    enabled: bool = True
    has_post_launch_draft: bool = False
    is_api_campaign: bool = False
    multivariate: bool = False
    """Whether series use variation names instead of ids, as in the multivariate sample of the docs."""
    first_sent: datetime | None = None
    last_sent: datetime | None = None
    """None with a `first_sent`: still being sent."""
    transactional: bool = False
    """Whether /transactional/v1/campaigns/{campaign_id}/send may send it."""
    tags: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    conversion_behaviors: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Canvas:
    """A Canvas with its variants and steps."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    variants: list[dict[str, Any]]
    """In the format of /canvas/details: `name`, `id`, `first_step_ids`."""
    steps: list[dict[str, Any]]
    """In the format of /canvas/details."""
    deleted_steps: list[dict[str, Any]] = field(default_factory=list)
    """Steps shown only with `include_deleted_step_data`."""
    description: str = ""
    schedule_type: str = "action_based"
    archived: bool = False
    draft: bool = False
    enabled: bool = True
    has_post_launch_draft: bool = False
    first_entry: datetime | None = None
    last_entry: datetime | None = None
    """None with a `first_entry`: users still enter it."""
    channels: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    conversions: int = 1
    """Number of conversion events."""


@dataclass(slots=True, kw_only=True)
class Segment:
    """A segment."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    text_description: str = ""
    analytics_tracking_enabled: bool = True
    archived: bool = False
    tags: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    share: float = 1.0
    """Its share of all users."""
    members: set[str] | None = None
    """Its users by external ID or Braze ID; overrides `share`."""


@dataclass(slots=True, kw_only=True)
class Card:
    """A card of the legacy News Feed."""

    id: str
    type: str
    title: str
    created_at: datetime
    updated_at: datetime
    name: str = ""
    description: str = ""
    image_url: str = ""
    publish_at: datetime | None = None
    end_at: datetime | None = None
    archived: bool = False
    draft: bool = False
    tags: list[str] = field(default_factory=list)
    extras: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Workspace:
    """Everything that the endpoints read, by id; change it freely between requests."""

    campaigns: dict[str, Campaign] = field(default_factory=dict)
    canvases: dict[str, Canvas] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    cards: dict[str, Card] = field(default_factory=dict)
    control_group: Segment | None = None
    """The Global Control Group, which appears in no list."""
    events: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)
    apps: dict[str, str] = field(default_factory=dict)
    """Maps app identifiers to app names."""
    blocked_external_ids: set[str] = field(default_factory=set)
    """Users whose data is no longer accepted."""
    event_definitions: dict[str, CustomEvent] = field(default_factory=dict)
    """Descriptions of some of the `events`."""
    attribute_definitions: dict[str, CustomAttribute] = field(default_factory=dict)
    """Described custom attributes, used or not. Attributes that users have are listed even if missing here."""
    blocked_attributes: set[str] = field(default_factory=set)
    """Custom attributes whose values are no longer accepted."""
    sends: dict[str, Send] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    content_blocks: dict[str, ContentBlock] = field(default_factory=dict)
    catalogs: dict[str, Catalog] = field(default_factory=dict)
    """By name."""
    preference_centers: dict[str, PreferenceCenter] = field(default_factory=dict)
    broadcasts: list[Broadcast] = field(default_factory=list)
    hard_bounces: list[Suppressed] = field(default_factory=list)
    unsubscribes: list[Suppressed] = field(default_factory=list)
    spam_reports: list[Suppressed] = field(default_factory=list)
    invalid_phone_numbers: list[Suppressed] = field(default_factory=list)
    integrations: dict[str, Integration] = field(default_factory=dict)
    sdk_keys: list[SdkKey] = field(default_factory=list)
    subscription_groups: dict[str, SubscriptionGroup] = field(default_factory=dict)
    multi_language: bool = True
    """Whether multi-language settings are enabled."""
    locales: dict[str, Locale] = field(default_factory=dict)
    """By uuid."""
    translations: dict[str, Translation] = field(default_factory=dict)
    """By id of a message variation, template, or Content Block; anything missing here is not multi-language."""
    messages: list[Message] = field(default_factory=list)
    """Messages sent through the API, oldest first."""
    schedules: dict[str, Schedule] = field(default_factory=dict)
    """Dispatches still to be sent, by schedule id."""
    canvas_entries: list[tuple[str, str, datetime]] = field(default_factory=list)
    """Canvas, variant, and time of each entry through the API."""
    external_send_ids: dict[str, datetime] = field(default_factory=dict)
    """When a transactional email with each id was last sent."""
    live_activities: dict[str, LiveActivity] = field(default_factory=dict)
    """By activity id."""
    media: dict[str, MediaAsset] = field(default_factory=dict)
    dashboard_users: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id, in SCIM format."""
    push_credentials: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """By app id and platform."""
    data_objects: dict[str, DataObjectType] = field(default_factory=dict)
    """By type name."""
    now: Callable[[], datetime] = field(default=utc_now, compare=False, repr=False)
    """The workspace's clock, in UTC."""
    restatements: Counter[tuple[str, str, date]] = field(default_factory=Counter)

    @property
    def tags(self) -> set[str]:
        """Return the tags of all objects; the API accepts only existing tags."""
        kinds = (self.campaigns, self.canvases, self.segments, self.cards, self.templates, self.content_blocks)
        return {tag for objects in kinds for one in objects.values() for tag in one.tags}

    def restate(self, kind: Kind, key: str, day: date, by: int) -> None:
        """Change the figure of a past day, as Braze does when late data arrives.

        `key` is the id, event name, or product; for `kpi` it is the metric (`dau`), and for `sessions` it is
        `sessions`. This changes conversions for campaigns and Canvases, clicks for cards, and the only figure of the
        other kinds.
        """
        self.restatements[kind, key, day] += by

    def edit(self, kind: Editable, key: str, **changes: Any) -> None:  # noqa: ANN401 - any field
        """Change fields of an object and set its last-edited time to now."""
        objects: dict[str, Any] = getattr(self, kind)
        changes.setdefault("updated_at", self.now().replace(microsecond=0))
        objects[key] = replace(objects[key], **changes)

    def archive(self, kind: Archivable, key: str) -> None:
        """Archive an object, which counts as an edit (docs silent)."""
        self.edit(kind, key, archived=True)

    def delete(self, kind: Deletable, key: str) -> None:
        """Delete an object. For a Content Block, the details still report it as deleted."""
        if kind == "content_blocks":
            self.content_blocks[key].deleted = True
        else:
            del getattr(self, kind)[key]

    def blocklist_attribute(self, name: str) -> None:
        """Discard further values of a custom attribute, as the dashboard's blocklist does."""
        self.blocked_attributes.add(name)
