"""The data source `braze`, which Spark creates by name, and its writer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb
from typing import TYPE_CHECKING

from pyspark import TaskContext
from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage
from typing_extensions import override

from target_braze.delivery.dispatcher import RejectedError
from target_braze.encode import encode
from target_braze.loader.errors import shown
from target_braze.loader.run import Loader
from target_braze.outcome_log.log import OutcomeLog
from target_braze.settings.stream_config import Entries
from target_braze.settings.validation import SettingsError
from target_braze.spark.options import Options, parse, refuse_unfit, wrong_mode
from target_braze.spark.schemas import ADDED_COLUMNS, PARTITION_COLUMN, json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    import pyarrow as pa
    from pyspark.sql.datasource import DataSourceStreamWriter
    from pyspark.sql.types import StructType

    from target_braze.outcome_log.merged import Outcomes


class BrazeDataSource(DataSource):
    """Writes a DataFrame to Braze: `df.write.format("braze").options(...).mode("append").save()`.

    `target_braze.spark.options.OPTIONS` lists its options.
    """

    @classmethod
    @override
    def name(cls) -> str:
        """Return the name of the format."""
        return "braze"

    @override
    def writer(self, schema: StructType, overwrite: bool) -> BrazeWriter:
        """Check options, settings and mapping on the driver, before any task starts.

        Raises:
            SettingsError: An option or setting is missing or wrong, or the mode is not append.
            MappingError: The columns do not fit the stream's entry in setting `streams`.
            BrazeError: A catalog cannot be created, or a check that setting `preflight` asks for failed.
        """
        if overwrite:
            raise SettingsError(wrong_mode("overwrite"))
        return BrazeWriter(parse(self.options), schema)

    @override
    def streamWriter(self, schema: StructType, overwrite: bool) -> DataSourceStreamWriter:
        """Refuse: a task of a stream does not know its batch, so it could not recognize a repeated one.

        Raises:
            SettingsError: Always.
        """
        raise SettingsError("format braze writes streams with .foreachBatch(target_braze.spark.foreach_batch(...))")

    @override
    def reader(self, schema: StructType) -> NoReturn:
        """Refuse to read.

        Raises:
            SettingsError: Always.
        """
        raise SettingsError("format braze only writes; tap-braze reads Braze")


class Loaded(WriterCommitMessage):
    """Says that a task is done. Its outcomes are in the outcome log, because a failed task has no message."""


class BrazeWriter(DataSourceArrowWriter):
    """Loads the partitions of one DataFrame. Spark pickles it, so it holds no connection and no key."""

    def __init__(self, options: Options, schema: StructType | pa.Schema) -> None:
        self._schema = json_schema(schema, options.stream)
        self._log = OutcomeLog(options.outcome_log, run_id=options.run_id, partitions=options.partitions)
        at, entry = Entries(options.settings.get("streams") or {}).of(options.stream)
        refuse_unfit(options, at, entry)
        # One configuration may serve several DataFrames, but each task would warn of the others' entries.
        self._options = options if at is None else options.only({at: dict(entry)})
        # The same as in a task, but for records: creates the catalog of a stream of items, so that no task has to.
        with Loader(self._options.config(on_error="fail")) as loader:
            loader.open(options.stream, self._schema, options.keys)

    @override
    def write(self, iterator: Iterator[pa.RecordBatch]) -> Loaded:
        """Load a partition.

        Raises:
            RuntimeError: The load failed. Spark repeats the task, which skips what the outcome log has as accepted.
        """
        context = TaskContext.get()
        first = next(iterator, None) if context is None else None
        if context is None and first is None:
            return Loaded()
        partition = _partition(first) if context is None else context.partitionId()
        # What the driver has checked for all tasks.
        checked = {"acknowledge_live_campaigns": True, "preflight": False}
        loader = Loader(self._options.config(**checked), outcome_log=self._log.partition(partition))
        try:
            with loader:
                stream = loader.open(self._options.stream, self._schema, self._options.keys)
                if first is not None:
                    stream.write(_columns(first))
                for batch in iterator:
                    stream.write(_columns(batch))
        except Exception as error:  # noqa: BLE001 - Spark logs whatever it is
            raise _without_values(error, loader, partition) from None
        return Loaded()

    @override
    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """Merge the outcomes of all tasks.

        Raises:
            RejectedError: All tasks together have more dead letters than `max_dead_letters`. Spark then aborts.
        """
        outcomes = self._merge()
        most = self._options.settings.get("max_dead_letters")
        total = outcomes.summary["total"]
        letters = total["rejected"] + total["in_doubt"]
        # A share holds for all tasks if it does for each.
        if most is not None and most >= 1 and letters > most:
            raise RejectedError(
                f"setting 'max_dead_letters' is {most:g}, and the tasks together have {letters:,}. What Braze has "
                "accepted stays"
            )
        self._conclude(outcomes)

    @override
    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """Merge the outcomes of all tasks: what Braze has accepted stays, although the job failed."""
        self._conclude(self._merge("Spark aborted the job; its error is in Spark's log"))

    def _merge(self, failed: str | None = None) -> Outcomes:
        # On an engine that does not tell a task its partition, empty partitions are not claimed: so expect none.
        return replace(self._log, partitions=None).merge(failed)

    def _conclude(self, outcomes: Outcomes) -> None:
        """Write the summary and the report into the folder of the run. A repetition replaces them."""
        folder = self._log.folder()
        folder.create("summary.json", encode(outcomes.summary))
        with TemporaryDirectory() as name:
            page = Path(name, "report.html")
            outcomes.write_report(page, shows_values=bool(self._options.settings.get("report_values")))
            folder.create("report.html", page.read_bytes())


def _columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    added = ADDED_COLUMNS.intersection(batch.schema.names)
    return batch.drop_columns([*added]) if added else batch


def _partition(batch: pa.RecordBatch) -> int:
    """Return the partition of a task on an engine that does not tell it.

    Raises:
        SettingsError: The column that names it is missing.
    """
    if PARTITION_COLUMN not in batch.schema.names:
        raise SettingsError(
            "this engine does not tell tasks their partition, which the outcome log needs; write the DataFrame with "
            f"target_braze.spark.write, or add the column {PARTITION_COLUMN} = spark_partition_id()"
        )
    number: int = batch.column(PARTITION_COLUMN)[0].as_py()
    return number


def _without_values(error: Exception, loader: Loader, partition: int) -> RuntimeError:
    """Return an error for Spark's logs, without values of records."""
    text = str(error) if isinstance(error, SettingsError) else shown(error)
    if isinstance(error, RejectedError) and (reasons := loader.summary["reasons"]):
        text = f"{text}. Most frequent: " + "; ".join(f"{reason} ({count:,})" for reason, count in reasons.items())
    elif text == type(error).__name__:
        frame = extract_tb(error.__traceback__)[-1]
        text = f"{text} in {frame.filename}, line {frame.lineno}"
    return RuntimeError(f"partition {partition}: {text}")
