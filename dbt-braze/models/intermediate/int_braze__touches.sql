{#-
    Each event of a user with the last message that was sent to the user before it: of the same message, for opens and
    clicks; of the same campaign or Canvas, for conversions; of any, for purchases. One pass over the events in their
    order, without a join of events to events.
-#}
with messages as (
    select
        event_id,
        event_at,
        user_id,
        channel,
        message_id,
        object_id,
        kind,
        case when kind = 'send' then row_number() over (
            partition by user_id, kind
            order by event_at, event_id
        ) end as send_number
    from {{ ref("int_braze__message_events") }}
    where kind is not null
),

others as (
    select
        event_id,
        event_at,
        user_id,
        coalesce(campaign_id, canvas_id, '') as object_id,
        case event_type when 'users.behaviors.Purchase' then 'purchase' else 'conversion' end as kind
    from {{ ref("stg_braze__events") }}
    where
        event_type in ('users.behaviors.Purchase', 'users.campaigns.Conversion', 'users.canvas.Conversion')
        and user_id is not null
),

together as (
    select event_id, event_at, user_id, channel, message_id, object_id, kind, send_number
    from messages
    union all
    select event_id, event_at, user_id, null as channel, null as message_id, object_id, kind, null as send_number
    from others
)

select
    event_id,
    event_at,
    user_id,
    kind,
    case
        when kind = 'send' then send_number
        when kind = 'purchase' then max(send_number) over (
            partition by user_id
            order by event_at, case kind when 'send' then 0 else 1 end, event_id
            rows between unbounded preceding and current row
        )
        when kind = 'conversion' then max(send_number) over (
            partition by user_id, object_id
            order by event_at, case kind when 'send' then 0 else 1 end, event_id
            rows between unbounded preceding and current row
        )
        else max(send_number) over (
            partition by user_id, object_id, message_id, channel
            order by event_at, case kind when 'send' then 0 else 1 end, event_id
            rows between unbounded preceding and current row
        )
    end as send_number
from together
