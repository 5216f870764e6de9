"""Streams of profiles, and of the lists inside profiles; not selected by default."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.exports.decoder import named
from tap_braze.exports.dedupe import Dedupe
from tap_braze.exports.user_exports import Batch
from tap_braze.fetching.fetch import Request
from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ListStream
from tap_braze.streams.base.stream import USERS_BY_ID
from tap_braze.streams.users import profile_columns
from tap_braze.streams.users.exports import ExportedStream, ProfileStream, SegmentExportStream
from tap_braze.streams.users.profile_columns import BRAZE_ID, CUSTOM_ATTRIBUTES, EXPORTED_AT
from tap_braze.streams.users.segments import Segments
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.braze.client import BrazeError
    from tap_braze.exports.decoder import Profile
    from tap_braze.fetching.fetch import Document
    from tap_braze.streams.base.context import RunContext

# The field of the body for each type of identifier, and how many a request takes. One is not in an array.
# https://www.braze.com/docs/api/endpoints/export/user_data/post_users_identifier/
_FIELDS: Final = {
    "external_id": "external_ids",
    "user_alias": "user_aliases",
    "email": "email_address",
    "phone": "phone",
    "braze_id": "braze_id",
    "device_id": "device_id",
}
_SIZES: Final = {**dict.fromkeys(_FIELDS, 1), "external_id": 50, "user_alias": 50}


class _WholeProfileStream(ProfileStream):
    """Profiles, with the columns that are selected and that the setting `users` requests."""

    primary_keys = (BRAZE_ID,)
    schema = profile_columns.SCHEMA
    lacks: ClassVar[frozenset[str]] = frozenset()  # fields that Braze does not export here

    def fields(self) -> list[str]:
        """Return the fields to request."""
        wanted = profile_columns.asked(self.run.settings.users)
        return [name for name in wanted if name == BRAZE_ID or (self.wants(name) and name not in self.lacks)]

    def record(self, profile: Profile, exported_at: str) -> Record:
        """Return a profile without fields requested only for other streams, or that the request could not exclude."""
        record = {name: value for name, value in profile.items() if name not in self._unwanted}
        record[EXPORTED_AT] = exported_at
        names = self.run.settings.users.custom_attributes
        if names and isinstance(attributes := record.get(CUSTOM_ATTRIBUTES), dict):
            record[CUSTOM_ATTRIBUTES] = {name: attributes[name] for name in names if name in attributes}
        return record

    @cached_property
    def _unwanted(self) -> frozenset[str]:
        return frozenset(self.schema["properties"]).difference(self.fields(), profile_columns.UNASKED)


class Users(_WholeProfileStream, SegmentExportStream):
    """Profiles of the users in segments, each once, even if a user is in several segments."""

    name = "users"
    parent = Segments
    has_changes = True

    @override
    def unfold(self, profile: Profile, segment: str, exported_at: str) -> Iterable[Record]:
        return (self.record(profile, exported_at),)


class UsersById(_WholeProfileStream, ListStream):
    """Profiles of the users in the settings."""

    name = "users_by_id"
    path = "/users/export/ids"
    method = "POST"
    permission = "users.export.ids"
    pool = USERS_BY_ID
    payload = "users"
    without_setting = (
        "setting 'users' names no user: set external_ids, external_ids_file, user_aliases, emails, phones, braze_ids "
        "or device_ids"
    )
    personal = True

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._asked = self._unmatched = 0

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        # A user may have several of the identifiers.
        dedupe = Dedupe()
        for row in self._read(self.plan(None), self.name):
            if dedupe.add(row[BRAZE_ID]):
                yield row
        if self._unmatched:
            self.logger.warning(
                "stream '%s': %d of %d IDs match nobody; the log lists them at level DEBUG",
                self.name,
                self._unmatched,
                self._asked,
            )

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        names = self.fields()
        for kind, some in self.run.settings.users.user_ids.batches(_SIZES):
            wanted = some if _SIZES[kind] > 1 else some[0]
            body = msgspec.json.encode({_FIELDS[kind]: wanted, "fields_to_export": names})
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._asked += len(some)
            yield Request(self.path, {}, self.pool, self.payload, tags={EXPORTED_AT: now}, body=body)

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        profiles = [named(profile) for profile in document[self.payload] or []]
        self._count_unmatched(request, document.get("invalid_user_ids"), found=bool(profiles))
        return [self.record(profile, request.tags[EXPORTED_AT]) for profile in profiles]

    def _count_unmatched(self, request: Request, unmatched: list[Any] | None, *, found: bool) -> None:
        if not unmatched and not found:
            # Whether Braze lists an unknown address, number or device is not documented.
            asked = msgspec.json.decode(request.body or b"{}")
            unmatched = [asked[field] for kind, field in _FIELDS.items() if _SIZES[kind] == 1 and field in asked]
        if unmatched:
            self._unmatched += len(unmatched)
            self.logger.debug("stream '%s': these IDs match nobody: %s", self.name, unmatched)

    @override
    def pass_over(self, request: Request, error: BrazeError) -> None:
        self.fail(self.discreet(error))

    @override
    def discreet(self, error: BrazeError) -> BrazeError:
        # Braze's error text may name users.
        return type(error)(f"POST {self.path}: HTTP {error.status}", status=error.status) if error.errors else error


class GlobalControlGroupUsers(_WholeProfileStream, ExportedStream):
    """Profiles of the users in the Global Control Group."""

    name = "global_control_group_users"
    path = "/users/export/global_control_group"
    permission = "users.export.global_control_group"
    has_changes = True
    # https://www.braze.com/docs/api/endpoints/export/user_data/post_users_global_control_group/ lists none of these.
    lacks = frozenset({"created_from", "email_subscribe", "push_subscribe", "push_tokens", *profile_columns.NAMED_ONLY})

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        self.forget_changes()
        dedupe = Dedupe()
        for _, what in self.read_exports([self.export_request(self.fields(), ())]):
            if isinstance(what, Batch):
                for profile in what.profiles:
                    if not dedupe.add(profile[BRAZE_ID]):
                        continue
                    record = self.record(profile, what.export.exported_at)
                    try:
                        with expected_shape("a profile"):
                            self.conform(record)
                    except MalformedError as error:
                        self.set_aside("a profile", error)
                    else:
                        yield record


class SegmentMembers(SegmentExportStream):
    """Members of each segment."""

    name = "segment_members"
    parent = Segments
    by_segment = True
    has_changes = True
    primary_keys = ("segment_id", BRAZE_ID)
    schema = columns.schema(
        columns.key("segment_id", "API identifier of the segment."),
        *profile_columns.PROFILE,
    )

    @override
    def fields(self) -> list[str]:
        return ["external_id"]

    @override
    def unfold(self, profile: Profile, segment: str, exported_at: str) -> Iterable[Record]:
        return ({"segment_id": segment, **_who(profile, exported_at)},)


class _Rows(SegmentExportStream):
    """A record for each entry in a list inside profiles, with all that Braze reports about it.

    Missing parts of an entry's key become `(none)`, so that no entry is lost.
    """

    parent = Segments
    field: ClassVar[str]

    @override
    def fields(self) -> list[str]:
        return ["external_id", self.field]

    @override
    def unfold(self, profile: Profile, segment: str, exported_at: str) -> Iterator[Record]:
        who = _who(profile, exported_at)
        for position, entry in enumerate(profile.get(self.field) or ()):
            yield {**self.row(entry, position), **who}

    def row(self, entry: dict[str, Any], position: int) -> Record:  # noqa: ARG002 - used by a subclass
        """Return the columns of the entry itself."""
        return entry


class UserAliases(_Rows):
    """Aliases of users."""

    name = "user_aliases"
    field = "user_aliases"
    # As far as is known, a user has one alias per label.
    primary_keys = (BRAZE_ID, "alias_label", "alias_name")
    schema = columns.schema(
        *profile_columns.PROFILE,
        columns.key("alias_label", "Label of the alias."),
        columns.key("alias_name", "The alias."),
    )


class UserDevices(_Rows):
    """Devices of users."""

    # No kind of ID exists for every device, and two devices may have the same values, so number them.
    name = "user_devices"
    field = "devices"
    primary_keys = (BRAZE_ID, "position")
    schema = columns.schema(
        *profile_columns.PROFILE,
        th.Property(
            "position", th.IntegerType, required=True, description="Position in the user's list of devices, from 0."
        ),
        *profile_columns.DEVICE,
    )

    @override
    def row(self, entry: dict[str, Any], position: int) -> Record:
        return {**entry, "position": position}


class UserCustomEvents(_Rows):
    """Custom events of users in the last 90 days, with their all-time count."""

    name = "user_custom_events"
    field = "custom_events"
    primary_keys = (BRAZE_ID, "name")
    schema = columns.schema(
        *profile_columns.PROFILE,
        columns.key("name", "Name of the event."),
        *profile_columns.first_last_count(),
    )


class UserPurchases(_Rows):
    """Products that users purchased in the last 90 days, with their all-time count."""

    name = "user_purchases"
    field = "purchases"
    primary_keys = (BRAZE_ID, "name")
    schema = columns.schema(
        *profile_columns.PROFILE,
        columns.key("name", "The product."),
        *profile_columns.first_last_count(),
    )


class UserCampaignsReceived(_Rows):
    """Campaigns that users received in the last 90 days, by variation, with opens, clicks and conversions."""

    name = "user_campaigns_received"
    field = "campaigns_received"
    primary_keys = (BRAZE_ID, "api_campaign_id", "variation_api_id")
    schema = columns.schema(
        *profile_columns.PROFILE,
        columns.key("api_campaign_id", "API identifier of the campaign."),
        columns.key("variation_api_id", "API identifier of the variation; `(none)` if the campaign has only one."),
        th.Property("name", th.StringType, description="Name of the campaign."),
        th.Property("variation_name", th.StringType, description="Name of the variation."),
        columns.moment("last_received", "When the user last received it."),
        *columns.flags(
            opened_email="Whether the user opened the email.",
            opened_push="Whether the user opened the push message.",
            clicked_email="Whether the user clicked in the email.",
            clicked_triggered_in_app_message="Whether the user clicked the in-app message.",
            converted="Whether the user converted.",
            in_control="Whether the user is in the control group.",
        ),
        columns.open_object("multiple_converted", "Whether the user converted, by conversion event."),
    )

    @override
    def row(self, entry: dict[str, Any], position: int) -> Record:
        return {**(entry.get("engaged") or {}), **{name: entry[name] for name in entry if name != "engaged"}}


class UserCanvasesReceived(_Rows):
    """Canvases that users received in the last 90 days, with the steps they received."""

    name = "user_canvases_received"
    field = "canvases_received"
    primary_keys = (BRAZE_ID, "api_canvas_id")
    schema = columns.schema(
        *profile_columns.PROFILE,
        columns.key("api_canvas_id", "API identifier of the Canvas."),
        th.Property("name", th.StringType, description="Name of the Canvas."),
        th.Property("variation_name", th.StringType, description="Name of the variant."),
        columns.moment("last_received_message", "When the user last received a message of it."),
        columns.moment("last_entered", "When the user last entered."),
        columns.moment("last_exited", "When the user last exited."),
        columns.moment("last_entered_control_at", "When the user last entered the control group."),
        *columns.flags(in_control="Whether the user is in the control group."),
        profile_columns.STEPS_RECEIVED,
    )


def _who(profile: Profile, exported_at: str) -> Record:
    return {
        BRAZE_ID: profile[BRAZE_ID],
        "external_id": profile.get("external_id"),
        EXPORTED_AT: exported_at,
    }
