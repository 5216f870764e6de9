"""Campaigns: list, details and analytics."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from typing_extensions import override

from tap_braze.currents.sends import SendFinder
from tap_braze.fetching.windows import DAY
from tap_braze.streams.base import columns
from tap_braze.streams.base.details import TRANSLATABLE, DetailsStream
from tap_braze.streams.base.lists import ChangesStream
from tap_braze.streams.base.long_form import unfold_messages
from tap_braze.streams.base.messages import DraftStream, MessageStream
from tap_braze.streams.base.paginators import PageNumbers
from tap_braze.streams.base.series import SeriesStream
from tap_braze.streams.base.stream import CAMPAIGN_SERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from singer_sdk.helpers.types import Record

# Braze keeps the statistics of a send for 14 days; two more, because time zones differ. Earlier days have no data to
# catch up with.
_KEPT: Final = 16 * DAY
CURRENTS: Final = "currents"  # in STATE: the sends found in event files, and the files read


class Campaigns(ChangesStream):
    """All campaigns."""

    name = "campaigns"
    path = "/campaigns/list"
    permission = "campaigns.list"
    payload = "campaigns"
    paginator = PageNumbers()
    primary_keys = ("id",)
    unversioned = frozenset()
    replication_key = "last_edited"
    archivable = True
    schema = columns.schema(
        columns.key("id", "API identifier of the campaign."),
        th.Property("last_edited", th.DateTimeType, description="When the campaign was last edited."),
        th.Property("name", th.StringType, description="Name of the campaign."),
        th.Property("is_api_campaign", th.BooleanType, description="Whether it is an API campaign."),
        columns.strings("tags", "Names of its tags."),
    )


class CampaignsDetails(DetailsStream):
    """Details of each campaign: messages, schedule, conversion events, first and last send."""

    name = "campaigns_details"
    path = "/campaigns/details"
    permission = "campaigns.details"
    parent = Campaigns
    parent_key = "campaign_id"
    params = TRANSLATABLE
    active_from = ("first_sent", "created_at")
    primary_keys = ("campaign_id",)
    unversioned = frozenset({"last_sent"})
    schema = columns.schema(
        columns.key("campaign_id", "API identifier of the campaign."),
        *columns.campaign_or_canvas("campaign"),
        th.Property("schedule_type", th.StringType, description="How it is scheduled, such as `time_based`."),
        columns.moment("first_sent", "When it was first sent; null before the first send."),
        columns.moment("last_sent", "When it was last sent; null before the first send."),
        columns.strings("channels", "Channels that it uses."),
        columns.strings("tags", "Names of its tags."),
        columns.strings("teams", "Names of its teams."),
        columns.open_object(
            "messages",
            "Messages by API identifier of the variation; their fields differ by channel. `has_translatable_content` "
            "is true with locales and translation tags, and null if Braze could not tell.",
        ),
        th.Property(
            "conversion_behaviors",
            th.ArrayType(columns.CONVERSION_BEHAVIOR),
            description="Conversion events: the primary event, then B, C and D.",
        ),
    )


class CampaignsDrafts(DraftStream):
    """Details of campaigns with changes that are not live yet, including these changes."""

    name = "campaigns_drafts"
    path = CampaignsDetails.path
    permission = CampaignsDetails.permission
    details = CampaignsDetails
    primary_keys = ("campaign_id",)
    schema = CampaignsDetails.schema


class CampaignsAnalytics(SeriesStream):
    """Statistics of each campaign by day, with nested channels."""

    name = "campaigns_analytics"
    path = "/campaigns/data_series"
    permission = "campaigns.data_series"
    pool = CAMPAIGN_SERIES
    parent = Campaigns
    parent_key = "campaign_id"
    details = CampaignsDetails
    primary_keys: Sequence[str] = ("campaign_id", "time")
    schema = columns.schema(
        columns.key("campaign_id", "API identifier of the campaign."),
        columns.day(),
        *columns.counts(unique_recipients="Distinct recipients on the day."),
        *columns.conversions("send"),
        columns.REVENUE,
        columns.messages("Statistics by channel: a list with one object for each message variation."),
    )


class CampaignsMessagesAnalytics(CampaignsAnalytics):
    """Statistics of each message variation of a campaign by day and channel: `campaigns_analytics` in long form."""

    name = "campaigns_messages_analytics"
    source = CampaignsAnalytics
    primary_keys = ("campaign_id", "time", "channel", "variation")
    schema = columns.schema(
        columns.key("campaign_id", "API identifier of the campaign."),
        columns.day(),
        *columns.flat_messages(),
        *columns.conversions("send"),
        extra=columns.OTHER_METRICS,
    )

    @override
    def unfold(self, row: Record) -> Iterator[Record]:
        parent = {"campaign_id": row["campaign_id"], "time": row["time"]}
        return unfold_messages(parent, row.get("messages"))


class SendsAnalytics(SeriesStream):
    """Statistics by day of the sends in the settings or in Currents; Braze keeps them for 14 days after the send."""

    name = "sends_analytics"
    path = "/sends/data_series"
    permission = "sends.data_series"
    parent_key = "send_id"
    primary_keys = ("campaign_id", "send_id", "time")
    schema = columns.schema(
        columns.key("campaign_id", "API identifier of the campaign."),
        columns.key("send_id", "Identifier of the send."),
        columns.day(),
        *columns.counts(unique_recipients="Distinct recipients on the day."),
        *columns.conversions("send"),
        columns.REVENUE,
        columns.messages("Statistics by channel: a list with one object for each message variation."),
    )

    @property
    @override
    def parent_fields(self) -> tuple[str, ...]:
        return ("campaign_id", "send_id")

    @override
    def targets(self) -> Sequence[Mapping[str, str]]:
        named = self.run.settings.send_ids
        return [*named, *(send for send in self._found if send not in named)]

    @override
    def assume_rows(self, rows: Iterable[Any]) -> None:
        self._found = []  # `--test` reads no files

    @property
    @override
    def start_day(self) -> date:
        return max(super().start_day, self.run.settings.today - _KEPT)

    @cached_property
    def _found(self) -> Sequence[Mapping[str, str]]:
        """The sends in event files; Braze has statistics only for those of API campaigns."""
        run = self.run
        if not run.settings.currents.find_sends:
            return []
        state = self.stream_state.setdefault(CURRENTS, {}) if self._is_incremental else {}
        try:
            finder = SendFinder(state, run.files, run.settings.currents.lookback)
        except ValueError as error:
            text = f"stream '{self.name}': '{CURRENTS}' in the state is wrong: {error}; remove it"
            raise ConfigValidationError("Wrong state", errors=[text], schema={}) from None
        finder.find(run.settings.concurrency, run.progress.tick, partial(run.refusals.record_missing, self.name))
        rows = run.stream(Campaigns).everything(self.name)
        api_campaigns = {row["id"] for row in rows if row.get("is_api_campaign") is not False}
        return [send for send in finder.sends() if send["campaign_id"] in api_campaigns]


class CampaignMessageStream(MessageStream):
    """By campaign."""

    details = CampaignsDetails

    @override
    def messages(self, document: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        for variation, message in (document.get("messages") or {}).items():
            if message.get("type") != "control":
                yield {"message_variation_id": variation}, message
