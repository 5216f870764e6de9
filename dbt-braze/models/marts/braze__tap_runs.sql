{#- One row for each stream of each run of tap-braze. -#}
with runs as (
    select *
    from {{ ref("stg_braze__runs") }}
    where program = 'tap-braze'
),

streams as (
    select runs.*, stream.name as stream, (runs.streams -> stream.name) as counts
    from runs
    {{ braze.json_names("runs.streams", "stream") }}
)

select
    run_id,
    stream,
    started_at,
    ended_at,
    ended,
    error,
    seconds,
    cast((counts ->> 'seconds_waited') as {{ braze.column_type("double") }}) as seconds_waited,
    {% for name in ["records", "requests", "refused"] -%}
    cast((counts ->> '{{ name }}') as {{ dbt.type_bigint() }}) as {{ adapter.quote(name) }}{{ "," if not loop.last }}
    {% endfor %}
from streams
