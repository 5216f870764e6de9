{#- People by the week in which they came, and what they did in each week since. -#}
with events as (
    select event_id, event_type, event_at, user_id
    from {{ ref("stg_braze__events") }}
    where user_id is not null
),

-- A profile says when it was made; of those that were not exported, the first event is known.
beginnings as (
    select user_id, created_at as began_at
    from {{ ref("stg_braze__users") }}
    where created_at is not null
    union all
    select user_id, event_at as began_at
    from events
),

people as (
    select user_id, cast(date_trunc('week', min(began_at)) as date) as cohort_week
    from beginnings
    group by user_id
),

cohorts as (
    select cohort_week, count(*) as cohort_size
    from people
    group by cohort_week
),

kinds as (
    select event_id, kind
    from {{ ref("int_braze__message_events") }}
    where kind is not null
),

activity as (
    select
        people.cohort_week,
        people.user_id,
        cast({{ dbt.datediff("people.cohort_week", "events.event_at", "day") }} as {{ dbt.type_bigint() }}) / 7
            as exact_week,
        events.event_type,
        kinds.kind
    from events
    inner join people on people.user_id = events.user_id
    left join kinds on kinds.event_id = events.event_id
)

select
    activity.cohort_week,
    cast(floor(activity.exact_week) as {{ dbt.type_bigint() }}) as weeks_since,
    cohorts.cohort_size,
    count(distinct user_id) filter (
        where event_type like 'users.behaviors.app.%' or event_type in ('users.behaviors.CustomEvent', 'users.behaviors.Purchase')
    ) as active_users,
    count(distinct user_id) filter (where kind = 'send') as messaged_users,
    count(distinct user_id) filter (where kind = 'open') as opening_users,
    count(distinct user_id) filter (where kind = 'click') as clicking_users,
    count(distinct user_id) filter (where event_type = 'users.behaviors.Purchase') as buying_users,
    {{ braze.rate("count(distinct user_id) filter (where event_type like 'users.behaviors.app.%' or event_type in ('users.behaviors.CustomEvent', 'users.behaviors.Purchase'))", "max(cohorts.cohort_size)") }} as active_rate
from activity
inner join cohorts on cohorts.cohort_week = activity.cohort_week
group by activity.cohort_week, cast(floor(activity.exact_week) as {{ dbt.type_bigint() }}), cohorts.cohort_size
