with source as (
    {{ braze.source_or_empty("braze_runs", "run_history") }}
),

numbered as (
    select
        run,
        (run ->> 'run_id') as run_id,
        row_number() over (partition by (run ->> 'run_id') order by (run ->> 'ended_at')) as copy
    from source
)

select
    run_id,
    (run ->> 'program') as program,
    (run ->> 'version') as version,
    cast((run ->> 'started_at') as {{ dbt.type_timestamp() }}) as started_at,
    cast((run ->> 'ended_at') as {{ dbt.type_timestamp() }}) as ended_at,
    (run ->> 'ended') as ended,
    (run ->> 'error') as error,
    cast((run ->> 'seconds') as {{ braze.column_type("double") }}) as seconds,
    cast((run ->> 'retries') as {{ dbt.type_bigint() }}) as retries,
    coalesce(cast((run ->> 'dry_run') as boolean), false) as is_dry_run,
    (run -> 'streams') as streams
from numbered
where copy = 1
