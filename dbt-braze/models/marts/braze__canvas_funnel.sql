{%- set no_json = "cast('[]' as " ~ braze.column_type("json") ~ ")" -%}

with recursive variants as (
    select
        canvases.canvas_id,
        (variant.value ->> 'id') as variant_id,
        (variant.value ->> 'name') as variant_name,
        (variant.value -> 'first_step_ids') as first_step_ids
    from {{ ref("stg_braze__canvases") }} as canvases
    {{ braze.json_elements("canvases.variants", "variant") }}
),

steps as (
    select
        canvases.canvas_id,
        (step.value ->> 'id') as step_id,
        (step.value ->> 'name') as step_name,
        (step.value -> 'next_step_ids') as next_step_ids,
        (step.value -> 'next_paths') as next_paths
    from {{ ref("stg_braze__canvases") }} as canvases
    {{ braze.json_elements("canvases.steps", "step") }}
),

next_steps as (
    select steps.canvas_id, steps.step_id, {{ braze.json_string("following.value") }} as next_step_id
    from steps
    {{ braze.json_elements("steps.next_step_ids", "following") }}
    union
    select steps.canvas_id, steps.step_id, (following.value ->> 'next_step_id') as next_step_id
    from steps
    {{ braze.json_elements("steps.next_paths", "following") }}
),

-- From the first steps of each variant on; a Canvas has 200 steps at most, so a circle ends.
paths as (
    select variants.canvas_id, variants.variant_id, {{ braze.json_string("first.value") }} as step_id, 1 as position
    from variants
    {{ braze.json_elements("variants.first_step_ids", "first") }}
    union
    select paths.canvas_id, paths.variant_id, next_steps.next_step_id as step_id, paths.position + 1 as position
    from paths
    inner join next_steps on next_steps.canvas_id = paths.canvas_id and next_steps.step_id = paths.step_id
    where paths.position < 200
),

places as (
    select canvas_id, variant_id, step_id, min(position) as step_position
    from paths
    group by canvas_id, variant_id, step_id
),

entries as (
    select canvas_id, variant_id, max(variant_name) as variant_name, sum(entries) as entries,
        sum(conversions) as conversions, sum(revenue) as revenue
    from {{ ref("stg_braze__canvas_variants_daily") }}
    group by canvas_id, variant_id
),

step_totals as (
    select canvas_id, step_id, max(step_name) as step_name, sum(conversions) as conversions, sum(revenue) as revenue
    from {{ ref("stg_braze__canvas_steps_daily") }}
    group by canvas_id, step_id
),

step_messages as (
    select canvas_id, step_id, sum(sent) as sent, sum(delivered) as delivered, sum(opens) as opens,
        sum(machine_opens) as machine_opens, sum(clicks) as clicks
    from {{ ref("stg_braze__canvas_messages_daily") }}
    group by canvas_id, step_id
),

-- Out of Currents: people, by variant and step.
people_entered as (
    select canvas_id, canvas_variation_id as variant_id, count(distinct user_id) as people
    from {{ ref("stg_braze__events") }}
    where event_type = 'users.canvas.Entry'
    group by canvas_id, canvas_variation_id
),

people_at_steps as (
    select canvas_id, canvas_variation_id as variant_id, canvas_step_id as step_id, count(distinct user_id) as people
    from {{ ref("stg_braze__events") }}
    where event_type = 'users.canvasstep.Progression'
    group by canvas_id, canvas_variation_id, canvas_step_id
),

people_messaged as (
    select
        canvas_id,
        canvas_variation_id as variant_id,
        canvas_step_id as step_id,
        count(distinct user_id) filter (where kind = 'send') as messaged,
        count(distinct user_id) filter (where kind = 'open') as opened,
        count(distinct user_id) filter (where kind = 'click') as clicked
    from {{ ref("int_braze__message_events") }}
    where canvas_id is not null
    group by canvas_id, canvas_variation_id, canvas_step_id
),

known_variants as (
    select
        coalesce(variants.canvas_id, entries.canvas_id) as canvas_id,
        coalesce(variants.variant_id, entries.variant_id) as variant_id,
        coalesce(variants.variant_name, entries.variant_name) as variant_name,
        entries.entries,
        entries.conversions,
        entries.revenue
    from variants
    full join entries on entries.canvas_id = variants.canvas_id and entries.variant_id = variants.variant_id
),

known_steps as (
    select
        coalesce(steps.canvas_id, step_totals.canvas_id) as canvas_id,
        coalesce(steps.step_id, step_totals.step_id) as step_id,
        coalesce(steps.step_name, step_totals.step_name) as step_name,
        step_totals.conversions,
        step_totals.revenue
    from steps
    full join step_totals on step_totals.canvas_id = steps.canvas_id and step_totals.step_id = steps.step_id
),

funnel as (
    select
        canvas_id,
        variant_id,
        variant_name,
        'entry' as step_id,
        'Entry' as step_name,
        0 as step_position,
        entries,
        cast(null as {{ dbt.type_bigint() }}) as sent,
        cast(null as {{ dbt.type_bigint() }}) as delivered,
        cast(null as {{ dbt.type_bigint() }}) as opens,
        cast(null as {{ dbt.type_bigint() }}) as machine_opens,
        cast(null as {{ dbt.type_bigint() }}) as clicks,
        conversions,
        revenue
    from known_variants
    union all
    select
        known_steps.canvas_id,
        -- A deleted step, say, is on no variant's way.
        coalesce(places.variant_id, 'none') as variant_id,
        known_variants.variant_name,
        known_steps.step_id,
        known_steps.step_name,
        places.step_position,
        known_variants.entries,
        step_messages.sent,
        step_messages.delivered,
        step_messages.opens,
        step_messages.machine_opens,
        step_messages.clicks,
        known_steps.conversions,
        known_steps.revenue
    from known_steps
    left join places on places.canvas_id = known_steps.canvas_id and places.step_id = known_steps.step_id
    left join known_variants
        on known_variants.canvas_id = places.canvas_id and known_variants.variant_id = places.variant_id
    left join step_messages
        on step_messages.canvas_id = known_steps.canvas_id and step_messages.step_id = known_steps.step_id
)

select
    funnel.canvas_id,
    canvases.canvas_name,
    funnel.variant_id,
    funnel.variant_name,
    funnel.step_id,
    funnel.step_name,
    funnel.step_position,
    funnel.entries as variant_entries,
    funnel.sent as step_sent,
    funnel.delivered as step_delivered,
    funnel.opens as step_opens,
    funnel.machine_opens as step_machine_opens,
    funnel.clicks as step_clicks,
    funnel.conversions,
    funnel.revenue,
    coalesce(people_at_steps.people, people_entered.people) as people,
    people_messaged.messaged as people_messaged,
    people_messaged.opened as people_opened,
    people_messaged.clicked as people_clicked,
    {{ braze.rate("people_at_steps.people", "everybody.people") }} as share_of_entries
from funnel
left join {{ ref("stg_braze__canvases") }} as canvases on canvases.canvas_id = funnel.canvas_id
left join people_entered
    on people_entered.canvas_id = funnel.canvas_id and people_entered.variant_id = funnel.variant_id
    and funnel.step_position = 0
left join people_entered as everybody
    on everybody.canvas_id = funnel.canvas_id and everybody.variant_id = funnel.variant_id
left join people_at_steps
    on people_at_steps.canvas_id = funnel.canvas_id and people_at_steps.variant_id = funnel.variant_id
    and people_at_steps.step_id = funnel.step_id
left join people_messaged
    on people_messaged.canvas_id = funnel.canvas_id and people_messaged.variant_id = funnel.variant_id
    and people_messaged.step_id = funnel.step_id
