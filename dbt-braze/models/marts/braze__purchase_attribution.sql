{#- One row for each purchase, with the last message that the buyer got in the days before it. -#}
with touches as (
    select user_id, send_number, kind, event_at, event_id
    from {{ ref("int_braze__touches") }}
),

sends as (
    select user_id, send_number, event_at as sent_at, event_id as send_event_id
    from touches
    where kind = 'send'
),

purchases as (
    select user_id, send_number, event_at, event_id
    from touches
    where kind = 'purchase'
)

select
    purchases.event_id as purchase_event_id,
    purchases.event_at as purchased_at,
    purchases.user_id,
    events.external_user_id,
    events.app_id,
    events.product_id,
    events.price,
    events.currency,
    sends.send_event_id,
    sends.sent_at
from purchases
inner join {{ ref("stg_braze__events") }} as events
    on events.event_id = purchases.event_id and events.event_type = 'users.behaviors.Purchase'
left join sends
    on sends.user_id = purchases.user_id and sends.send_number = purchases.send_number
    and sends.sent_at >= {{ dbt.dateadd("day", -1 * var("braze_attribution_days"), "purchases.event_at") }}
