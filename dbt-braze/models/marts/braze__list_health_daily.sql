with measures as (
    select cast(hard_bounced_at as date) as day, 'hard_bounces' as measure, 1.0 as amount
    from {{ ref("stg_braze__hard_bounces") }}
    union all
    select cast(unsubscribed_at as date) as day, 'email_unsubscribes' as measure, 1.0 as amount
    from {{ ref("stg_braze__unsubscribes") }}
    union all
    select cast(invalid_detected_at as date) as day, 'invalid_phone_numbers' as measure, 1.0 as amount
    from {{ ref("stg_braze__invalid_phone_numbers") }}
    union all
    select day, measure, amount
    from {{ ref("stg_braze__kpis_daily") }}
    where measure in ('new_users', 'uninstalls')
)

select
    day,
    {% for measure in ["new_users", "uninstalls", "hard_bounces", "email_unsubscribes", "invalid_phone_numbers"] -%}
    cast(coalesce(sum(amount) filter (where measure = '{{ measure }}'), 0) as {{ dbt.type_bigint() }}) as {{ measure }}
    {{- "," if not loop.last }}
    {% endfor %}
from measures
where day is not null
group by day
