{#- Table, its column, and the name of the measure. Series by segment are parts of people that overlap: no sum of them. -#}
{%- set series = [
    ("kpi_daily_new_users", "new_users", "new_users"),
    ("kpi_daily_active_users", "dau", "daily_active_users"),
    ("kpi_monthly_active_users", "mau", "monthly_active_users"),
    ("kpi_daily_app_uninstalls", "uninstalls", "uninstalls"),
    ("sessions_analytics", "sessions", "sessions"),
    ("purchases_quantity", "purchase_quantity", "purchases"),
    ("purchases_revenue", "revenue", "revenue"),
] -%}

{% for table_name, column, measure in series %}
select
    coalesce(app_id, 'all') as app_id,
    "time" as day,
    '{{ measure }}' as measure,
    cast({{ column }} as {{ braze.column_type("double") }}) as amount
from (
    {{ braze.source_or_empty("braze", table_name, {"app_id": "varchar", "segment_id": "varchar"}) }}
) as {{ table_name }}
where segment_id is null
{% if not loop.last %}
union all
{% endif %}
{% endfor %}
