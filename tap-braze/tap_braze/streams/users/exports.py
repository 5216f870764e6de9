"""Base classes of export streams; several streams can share one export."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk.exceptions import ConfigValidationError
from typing_extensions import override

from tap_braze.braze.client import RefusedError, UnavailableError
from tap_braze.comparison.change_feed import EXPORT, ChangeFeed
from tap_braze.exports.decoder import BrokenExportFileError
from tap_braze.exports.dedupe import Dedupe
from tap_braze.exports.user_exports import Batch, ExportError, ExportRequest, Exports, NoStorageError, named
from tap_braze.settings.opt_in import INCLUDE_PROFILES
from tap_braze.storage import Storage, StorageError
from tap_braze.streams.base.shared import SharedStream
from tap_braze.streams.base.stream import BrazeStream
from tap_braze.streams.users.profile_columns import BRAZE_ID, CUSTOM_ATTRIBUTES, EXPORTED_AT
from tap_braze.streams.users.segments import Segments
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Record

    from tap_braze.braze.client import BrazeError
    from tap_braze.comparison.comparison import Comparison
    from tap_braze.exports.decoder import Profile

EXPORTED: Final = "exported"
VERSION: Final = "version"  # of the rows of these segments


class ProfileStream(BrazeStream):
    """Records made from profiles."""

    selected_by_default = False
    opt_in = INCLUDE_PROFILES

    def wants(self, field: str) -> bool:
        """Return whether the column is selected."""
        return bool(self.mask["properties", field])


class ExportedStream(ProfileStream):
    """Records from the files of exports."""

    method = "POST"
    untested = "it would start an export"
    is_snapshot = True
    # Whether `users.changes_only` applies. The keys of the other streams have names of aliases and events, which the
    # file of the last export must not hold.
    has_changes: ClassVar[bool] = False

    @override
    def compares(self) -> type[Comparison] | None:
        users = self.config.get("users")
        if self.has_changes and isinstance(users, dict) and users.get("changes_only") is True:
            return ChangeFeed
        return super().compares()

    @override
    def start_comparison(self) -> Comparison:
        folder = self.run.settings.users.changes_path
        if self.comparison_kind is not ChangeFeed or folder is None:
            return super().start_comparison()
        return ChangeFeed(
            self.stream_state,
            (folder, self.name),
            self.primary_keys,
            self.selected_columns.difference(self.primary_keys, {EXPORTED_AT}),
            secret=self.config["api_key"],
            version=self.run.version,
            closes=self.run.settings.deletions != "keep",
            replaces=self.run.settings.deletions == "hard",
            warn=self.warn,
        )

    def forget_changes(self) -> None:
        """Forget the last export before rows are sent that it does not have, if all rows are sent."""
        if self.comparison_kind is not ChangeFeed and self.stream_state.pop(EXPORT, None) is not None:
            self.write_state()

    @property
    @override
    def version(self) -> int:
        """Return the version of the first export if later ones send their changes only."""
        return self.comparison.version if isinstance(self.comparison, ChangeFeed) else super().version

    @property
    @override
    def row_version(self) -> int | None:
        if isinstance(self.comparison, ChangeFeed) and self.run.settings.deletions == "hard":
            return self.version
        return super().row_version

    @property
    @override
    def is_replaced(self) -> bool:
        if isinstance(self.comparison, ChangeFeed):
            return self.comparison.is_first and self.run.settings.deletions == "hard"
        return super().is_replaced

    def export_request(self, fields: Iterable[str], custom_attributes: Sequence[str], **tags: str) -> ExportRequest:
        """Return the export of these fields for the group that the tags identify."""
        body: dict[str, Any] = {
            **tags,
            "fields_to_export": list(fields),
            "output_format": self.run.settings.users.output_format,
        }
        if custom_attributes:
            body["custom_attributes_to_export"] = list(custom_attributes)
        return ExportRequest(tags, self.path, self.pool, body)

    def read_exports(
        self, export_requests: Sequence[ExportRequest]
    ) -> Iterator[tuple[ExportRequest, Batch | BrazeError | None]]:
        """Yield the contents of the exports as they arrive; each ends with None, or with an error that is reported."""
        run, settings = self.run, self.run.settings.users
        exports = Exports(
            run.client,
            storage=self._storage(),
            patience=settings.patience,
            quiet=settings.quiet,
            timeout=float(self.config["request_timeout"]),
            waits=run.export_waits,
        )
        run.progress.plan(len(export_requests))
        with closing(exports.read(export_requests, run.settings.concurrency, run.progress.tick)) as found:
            for request, what in found:
                if isinstance(what, Batch):
                    run.progress.read(len(what.profiles))
                elif what is None:
                    run.refusals.record_answer()
                    run.progress.record_answer()
                else:
                    self._pass_over(request, what)
                yield request, what

    def _storage(self) -> Storage | None:
        settings = self.run.settings.users
        if settings.url is None:
            return None
        try:
            storage = Storage("users.url", settings.url, settings.storage_options)
            if not storage.exists:
                self.logger.warning("setting 'users.url': there is nothing yet in %s", storage.shown)
        except StorageError as error:
            self.fail(error)
        return storage

    def _pass_over(self, request: ExportRequest, error: BrazeError) -> None:
        """Continue without a group that Braze refuses, or without an export that failed."""
        self.lacks_rows = True
        if isinstance(error, RefusedError):
            self.run.refusals.record_refusal(self.name, named(request), error)
        elif isinstance(error, (StorageError, UnavailableError)):
            self.set_aside(named(request), error)
        elif self._is_of_one(error) and self.ABORT_AT_RECORD_COUNT is None:  # a trial has no end
            self.run.refusals.record_missing(
                self.name, named(request), error
            )  # Braze responded, so this is not an outage
        else:
            self.fail(error, about=f", {named(request)}")

    @staticmethod
    def _is_of_one(error: BrazeError) -> bool:
        """Return whether the error affects only this export, so the next one may succeed."""
        return isinstance(error, (ExportError, BrokenExportFileError)) and not isinstance(error, NoStorageError)


class SegmentExportStream(ExportedStream, SharedStream):
    """Records from the exports of segments, each started once for all streams that want it."""

    path = "/users/export/segment"
    permission = "users.export.segment"
    by_segment: ClassVar[bool] = False  # whether a user of two segments has two records

    @override
    def read_for(self, streams: list[Any]) -> Iterator[tuple[SegmentExportStream, Record]]:
        return _SegmentReader(self, streams).records()

    @override
    def shares_with(self, stream: SharedStream) -> bool:
        return isinstance(stream, SegmentExportStream)

    @property
    @override
    def is_whole(self) -> bool:
        return "created_at" in self.schema["properties"]

    def fields(self) -> Iterable[str]:
        """Return the profile fields that the records need."""
        raise NotImplementedError

    def unfold(self, profile: Profile, segment: str, exported_at: str) -> Iterable[Record]:
        """Return the records for a profile."""
        raise NotImplementedError

    @property
    @override
    def version(self) -> int:
        """Return the version of the run that began to read the segments, until all are read."""
        begun = self.stream_state.get(VERSION) if self.exported else None
        return begun if isinstance(begun, int) else super().version

    @property
    def continues(self) -> bool:
        """Return whether it reads only what an interrupted run did not; changes need whole exports."""
        return self.comparison_kind is not ChangeFeed

    @property
    def exported(self) -> list[str]:
        """Return the segments that an interrupted or incomplete run already read; the next run skips them."""
        if not self.continues:
            return []
        exported = self.stream_state.get(EXPORTED, [])
        if not isinstance(exported, list):
            text = f"stream '{self.name}': '{EXPORTED}' in the state is not a list; remove or correct it"
            raise ConfigValidationError("Wrong state", errors=[text], schema={})
        return exported


class _SegmentReader:
    """One export of each segment, for all streams."""

    def __init__(self, reader: SegmentExportStream, streams: Sequence[SegmentExportStream]) -> None:
        """Prepare to read; `reader` is the stream whose turn it is."""
        self._reader = reader
        self._streams = streams
        self._done = {stream.name: set(stream.exported) for stream in streams}
        self._dedupe = Dedupe()

    def records(self) -> Iterator[tuple[SegmentExportStream, Record]]:
        """Yield the records of all streams; write STATE after each segment."""
        for stream in self._streams:
            stream.forget_changes()
        resumed = any(self._done.values())
        failed = accepted = False
        refused: RefusedError | None = None
        # The stream of whole profiles, if it is selected: messages name it.
        named_one = self._streams[-1]
        for request, what in named_one.read_exports(self._export_requests()):
            segment = request.tags["segment_id"]
            if isinstance(what, RefusedError):
                refused = what
                continue
            accepted = True
            if isinstance(what, Batch):
                yield from self._unfold(segment, what)
            elif what is None:
                self._note(segment)
            else:
                failed = True
        if refused is not None and not accepted and not resumed:
            # A single segment may have been archived since. If all are refused, a setting is wrong.
            named_one.run.refusals.record_missing(named_one.name, "every segment", refused)
        for stream in self._streams:
            # Only the next run retries what failed. If that fails too, the run after it reads everything, so that a
            # segment that always fails does not keep the others from being read again. The tombstones of this run lack
            # the keys that an earlier run read.
            stream.lacks_rows |= (
                failed or refused is not None or (resumed and stream.continues and stream.comparison is not None)
            )
            if not failed or resumed or not stream.continues:
                stream.stream_state.pop(EXPORTED, None)
                stream.stream_state.pop(VERSION, None)
        self._reader.write_state()

    def _export_requests(self) -> list[ExportRequest]:
        run, settings = self._reader.run, self._reader.run.settings.users
        segments = settings.segment_ids or run.stream(Segments).ids(self._reader.name)
        fields = list(dict.fromkeys([BRAZE_ID, *(name for stream in self._streams for name in stream.fields())]))
        names: Sequence[str] = ()
        if CUSTOM_ATTRIBUTES in fields and settings.custom_attributes:
            # Among the fields, it would request all of them.
            fields.remove(CUSTOM_ATTRIBUTES)
            names = settings.custom_attributes
        return [
            self._reader.export_request(fields, names, segment_id=segment)
            for segment in segments
            if any(segment not in self._done[stream.name] for stream in self._streams)
        ]

    def _unfold(self, segment: str, batch: Batch) -> Iterator[tuple[SegmentExportStream, Record]]:
        exported_at = batch.export.exported_at
        streams = [stream for stream in self._streams if segment not in self._done[stream.name]]
        for profile in batch.profiles:
            is_new = self._dedupe.add(profile[BRAZE_ID])
            for stream in streams:
                if is_new or stream.by_segment:
                    try:
                        with expected_shape("a profile"):
                            records = list(stream.unfold(profile, segment, exported_at))
                            for record in records:
                                stream.conform(record)
                    except MalformedError as error:
                        stream.set_aside(f"a profile of segment {segment!r}", error)
                        continue
                    for record in records:
                        yield stream, record

    def _note(self, segment: str) -> None:
        for stream in self._streams:
            if stream.continues and segment not in self._done[stream.name]:
                version = stream.version
                stream.stream_state.setdefault(EXPORTED, []).append(segment)
                stream.stream_state[VERSION] = version
        self._reader.write_state()
