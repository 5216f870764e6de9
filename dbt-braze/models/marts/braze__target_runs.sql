{#- One row for each stream of each run of target-braze. -#}
with runs as (
    select *
    from {{ ref("stg_braze__runs") }}
    where program = 'target-braze'
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
    is_dry_run,
    seconds,
    {% for name in ["read", "sent", "coalesced", "unchanged", "left_out", "opted_out", "consent_conflicts", "rejected", "in_doubt", "open", "objects", "requests", "data_points", "saved_by_ledger", "saved_by_coalescing"] -%}
    cast((counts ->> '{{ name }}') as {{ dbt.type_bigint() }}) as {{ adapter.quote(name) }}{{ "," if not loop.last }}
    {% endfor %}
from streams
