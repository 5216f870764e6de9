"""Workspace objects other than messages and audiences: templates, catalogs, definitions, lists, integrations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(slots=True, kw_only=True)
class CustomEvent:
    """Properties of an event in /events. The defaults are those of an event without a description."""

    description: str | None = None
    included_in_analytics_report: bool = False
    status: str = "Active"
    tag_names: list[str] | None = None


@dataclass(slots=True, kw_only=True)
class CustomAttribute:
    """Properties of an attribute in /custom_attributes."""

    description: str | None = None
    data_type: str = "String"
    """Overridden by the type of users' values, if there are any."""
    array_length: int | None = None
    status: str = "Active"
    tag_names: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Send:
    """A tracked send of an API campaign; its figures derive from its id."""

    id: str
    campaign_id: str
    sent_at: datetime


@dataclass(slots=True, kw_only=True)
class Template:
    """An email template."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    subject: str = ""
    preheader: str = ""
    body: str = ""
    plaintext_body: str = ""
    should_inline_css: bool = True
    tags: list[str] = field(default_factory=list)
    drag_and_drop: bool = False
    """Created in the drag-and-drop editor: the API does not show it (docs: get_list_email_templates)."""


@dataclass(slots=True, kw_only=True)
class ContentBlock:
    """A Content Block."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    content: str = ""
    content_type: str = "html"
    description: str = ""
    tags: list[str] = field(default_factory=list)
    included_in: list[dict[str, str]] = field(default_factory=list)
    """Where the block is used: `campaign_id` or `canvas_step_id`, and `message_variation_id`."""
    state: Literal["active", "draft"] = "active"
    deleted: bool = False
    """Missing from the list; the details report it as deleted."""


@dataclass(slots=True, kw_only=True)
class Catalog:
    """A catalog with its items."""

    name: str
    updated_at: datetime
    fields: list[dict[str, str]]
    """`name` and `type` of each column, `id` first."""
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id, in the API's format."""
    selections: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name, as created."""
    description: str = ""


@dataclass(slots=True, kw_only=True)
class PreferenceCenter:
    """A preference center."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    title: str = ""
    page_html: str = ""
    confirmation_html: str = ""
    redirect_html: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    state: str = "active"


@dataclass(slots=True, kw_only=True)
class Broadcast:
    """A campaign or a Canvas scheduled in the dashboard."""

    id: str
    name: str
    type: Literal["Campaign", "Canvas"]
    next_send_time: datetime
    """For a daily broadcast: any of its occurrences."""
    daily: bool = False
    schedule_type: Literal["local_time_zones", "intelligent_delivery", "company"] = "company"
    """`company` is displayed as the name of the company's time zone."""
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Suppressed:
    """An address that bounced or unsubscribed, or an invalid number."""

    address: str
    at: datetime
    reason: str = ""
    """For invalid numbers: `provider_error` or `deactivated`."""


@dataclass(slots=True, kw_only=True)
class Run:
    """A sync of an integration."""

    started_at: datetime
    finished_at: datetime | None
    """None: still running."""
    status: str = "success"
    last_timestamp_synced: datetime | None = None
    rows_synced: int = 0
    rows_failed: int = 0


@dataclass(slots=True, kw_only=True)
class Integration:
    """A Cloud Data Ingestion integration."""

    id: str
    name: str
    type: str = "Attributes"
    status: str = "Active"
    contact_emails: str = ""
    warehouse_type: str = "Snowflake"
    next_scheduled_run: datetime | None = None
    runs: list[Run] = field(default_factory=list)
    """Oldest first."""


@dataclass(slots=True, kw_only=True)
class SdkKey:
    """An SDK Authentication key of an app."""

    id: str
    app_id: str
    rsa_public_key: str
    description: str = ""
    is_primary: bool = False


@dataclass(slots=True, kw_only=True)
class SubscriptionGroup:
    """A subscription group."""

    id: str
    name: str
    channel: Literal["email", "sms", "whatsapp"] = "email"


@dataclass(slots=True, kw_only=True)
class Locale:
    """A locale in the multi-language settings."""

    uuid: str
    name: str
    country: str
    language: str


@dataclass(slots=True, kw_only=True)
class Translation:
    """The translated texts of a message variation, a template, or a Content Block."""

    source: dict[str, str]
    """By translation id."""
    locales: dict[str, dict[str, str]] = field(default_factory=dict)
    """By locale uuid."""


@dataclass(slots=True, kw_only=True)
class MediaAsset:
    """A media library file; its content is not kept."""

    id: str
    name: str
    ext: str
    size: int
    url: str


@dataclass(slots=True, kw_only=True)
class DataObjectType:
    """A type of Data Objects with its records. Types are created in the dashboard."""

    name: str
    fields: dict[str, str]
    """Maps each attribute to `string`, `number`, `boolean`, `time`, `array`, or `object`."""
    display_name_source: str | None = None
    user_relationships: dict[str, dict[str, str]] = field(default_factory=dict)
    """Maps each kind to the fields of its links."""
    object_relationships: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Maps kind and type on the other side to the fields of links that begin here."""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Attributes by external ID."""
    display_names: dict[str, str] = field(default_factory=dict)
    users: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    """Maps object, kind, and Braze ID to the attributes of the link."""
    links: dict[tuple[str, str, str, str], dict[str, Any]] = field(default_factory=dict)
    """Maps object, kind, and type and object on the other side to the attributes of the link."""
