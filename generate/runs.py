"""Tables of what runs report: lines of the history, the target's summary, and fields of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_braze.reporting import progress as tap_progress
from tap_braze.reporting import run_report as tap_report
from target_braze.reporting import delivery_log, history, summary
from target_braze.reporting import progress as target_progress

from generate.markdown import table

if TYPE_CHECKING:
    from collections.abc import Mapping


def summary_page() -> str:
    """Return the reference of a run's summary."""
    return f"""# Summary of a run

One object summarizes each run. With [`report_path`](../run-report.md), both programs append it as a line to a
history. Whichever way a run of `target-braze` ends, it also writes the object to standard error, as a line that begins
with `{{"summary":`. Meltano passes the line on.

```sh
target-braze --config=ENV < customers.singer 2>&1 > state.jsonl | grep -o '{{"summary":.*}}'
```

`braze__target_runs` and `braze__tap_runs` of the dbt package turn these objects into tables.

## The run

{_fields("key", history.RUN_FIELDS)}
## target-braze

{_fields("key", summary.FIELDS)}
Every record that was `read` is in exactly one of the outcomes, so they add up to `read`.

{_fields("count", summary.RECORD_COUNTS, "records")}
{_fields("count", summary.OTHER_COUNTS)}
### Delivery log

The columns of a row in the [delivery log](../delivery-log.md), whose key is `run_id` and `position`:

{_fields("column", {name: meaning for name, (_, meaning) in delivery_log.COLUMNS.items()})}
## tap-braze

{_fields("key", tap_report.FIELDS)}
{_fields("count", tap_report.COUNTS)}"""


def log_fields_page() -> str:
    """Return the reference of the log's fields."""
    return f"""# Log fields

Both plugins log through the SDK. For JSON lines, point `SINGER_SDK_LOG_CONFIG` to a file:

```yaml
version: 1
disable_existing_loggers: false
formatters:
  json: {{(): singer_sdk.logging.StructuredFormatter}}
handlers:
  stderr: {{class: logging.StreamHandler, formatter: json, stream: ext://sys.stderr}}
root: {{level: INFO, handlers: [stderr]}}
```

Meltano does this by itself, because the plugins declare the capability `structured-logging`.

A progress line appears every five seconds during a run, even while it waits. Besides the SDK's fields (`level`,
`message`, `logger_name`, `ts`, …), it has fields of its own in `extra`.

## Progress of tap-braze

{_fields("field", tap_progress.FIELDS)}
## Progress of target-braze

{_fields("field", target_progress.FIELDS)}
## Everything else

Both plugins end their log with a table of what each stream has brought. The log shows the first warning of each kind at
once, and the number of the others at the end.

The SDK's metrics (`record_count`, `http_request_count`, `sync_duration`, …) come from the logger `singer_sdk.metrics`,
at DEBUG. `TAP_BRAZE_LOGLEVEL` and `TARGET_BRAZE_LOGLEVEL` set the level.
"""


def _fields(head: str, fields: Mapping[str, str], of: str = "") -> str:
    return table((head, of), ((f"`{name}`", description) for name, description in fields.items()))
