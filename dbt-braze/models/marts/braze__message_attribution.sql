{#- One row for each message that was sent to somebody, with what followed from it. -#}
with touches as (
    select user_id, send_number, kind, event_at, event_id
    from {{ ref("int_braze__touches") }}
    where send_number is not null and kind <> 'purchase'
),

outcomes as (
    select
        user_id,
        send_number,
        max(event_id) filter (where kind = 'send') as send_event_id,
        min(event_at) filter (where kind = 'delivery') as delivered_at,
        min(event_at) filter (where kind = 'failure') as failed_at,
        min(event_at) filter (where kind = 'open') as first_opened_at,
        min(event_at) filter (where kind = 'machine_open') as first_machine_opened_at,
        min(event_at) filter (where kind = 'click') as first_clicked_at,
        min(event_at) filter (where kind = 'conversion') as first_converted_at,
        min(event_at) filter (where kind = 'unsubscribe') as unsubscribed_at,
        count(*) filter (where kind = 'open') as opens,
        count(*) filter (where kind = 'machine_open') as machine_opens,
        count(*) filter (where kind = 'click') as clicks,
        count(*) filter (where kind = 'bot_click') as bot_clicks,
        count(*) filter (where kind = 'conversion') as conversions
    from touches
    group by user_id, send_number
),

bought as (
    select
        send_event_id,
        count(*) as purchases,
        -- A sum of several currencies would mean nothing.
        case when count(distinct currency) = 1 then sum(price) end as revenue,
        case when count(distinct currency) = 1 then max(currency) end as currency
    from {{ ref("braze__purchase_attribution") }}
    where send_event_id is not null
    group by send_event_id
)

select
    sends.event_id as send_event_id,
    sends.event_at as sent_at,
    sends.channel,
    sends.user_id,
    sends.external_user_id,
    sends.campaign_id,
    sends.canvas_id,
    sends.canvas_variation_id as variant_id,
    sends.canvas_step_id as step_id,
    sends.message_id,
    outcomes.delivered_at,
    outcomes.failed_at,
    outcomes.first_opened_at,
    outcomes.first_machine_opened_at,
    outcomes.first_clicked_at,
    outcomes.first_converted_at,
    outcomes.unsubscribed_at,
    outcomes.opens,
    outcomes.machine_opens,
    outcomes.clicks,
    outcomes.bot_clicks,
    outcomes.conversions,
    coalesce(bought.purchases, 0) as purchases,
    bought.revenue,
    bought.currency
from {{ ref("int_braze__message_events") }} as sends
inner join outcomes on outcomes.send_event_id = sends.event_id and outcomes.user_id = sends.user_id
left join bought on bought.send_event_id = sends.event_id
where sends.kind = 'send'
