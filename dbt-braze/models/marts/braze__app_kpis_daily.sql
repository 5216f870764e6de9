{%- set measures = [
    "new_users", "daily_active_users", "monthly_active_users", "uninstalls", "sessions", "purchases"
] -%}

with kpis as (
    select
        app_id,
        day,
        {% for measure in measures -%}
        cast(sum(amount) filter (where measure = '{{ measure }}') as {{ dbt.type_bigint() }}) as {{ measure }},
        {% endfor -%}
        sum(amount) filter (where measure = 'revenue') as revenue
    from {{ ref("stg_braze__kpis_daily") }}
    group by app_id, day
)

select
    app_id,
    day,
    {{ measures | join(",\n    ") }},
    revenue,
    {{ braze.rate("daily_active_users", "monthly_active_users") }} as stickiness,
    {{ braze.rate("sessions", "daily_active_users") }} as sessions_per_user,
    {{ braze.rate("revenue", "daily_active_users") }} as revenue_per_user
from kpis
