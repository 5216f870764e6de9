with source as (
    {{ braze.source_or_empty("braze_target", "target_braze_runs") }}
),

runs as (
    select
        coalesce(summary -> 'summary', summary) as summary,
        loaded_at
    from source
)

select
    {{ dbt.hash(dbt.concat(["cast(summary as " ~ dbt.type_string() ~ ")", "coalesce(cast(loaded_at as " ~ dbt.type_string() ~ "), '')"])) }} as run_id,
    loaded_at,
    (summary ->> 'ended') as ended,
    cast((summary ->> 'dry_run') as boolean) as is_dry_run,
    cast((summary ->> 'seconds') as {{ braze.column_type("double") }}) as seconds,
    cast((summary ->> 'retries') as {{ dbt.type_bigint() }}) as retries,
    (summary -> 'streams') as streams,
    (summary -> 'total') as total,
    (summary -> 'reasons') as reasons
from runs
