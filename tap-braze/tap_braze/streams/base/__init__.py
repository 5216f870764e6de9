"""Base classes of streams, and the parts that a declaration names.

| the endpoint has | take | from |
|---|---|---|
| a list | `ListStream` | `lists` |
| a list of plain names | `NamesStream` | `lists` |
| a list whose rows show when they changed | `ChangesStream` | `lists` |
| a list that Braze filters by day | `DailyStream` | `lists` |
| the details of each row of a list | `DetailsStream` | `details` |
| rows for each message of campaigns or Canvases | `MessageStream` | `messages` |
| details in two versions, live and draft | `DraftStream` | `messages` |
| statistics by day or hour | `SeriesStream` | `series` |
| an export of users | `SegmentExportStream`, `ExportedStream` | `tap_braze.streams.users.exports` |
| paging | `paginator = LinkCursor()` (also one response), `Offset(limit)`, `PageNumbers(size)` | `paginators` |

For a list per row of another list, set `parent` and `parent_key`. No streams are declared here.
"""
