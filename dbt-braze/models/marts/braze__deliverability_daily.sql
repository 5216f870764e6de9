with messages as (
    select 'campaign' as message_type, day, channel, {{ braze.sums_of_messages() }}
    from {{ ref("stg_braze__campaign_messages_daily") }}
    group by day, channel
    union all
    select 'canvas' as message_type, day, channel, {{ braze.sums_of_messages() }}
    from {{ ref("stg_braze__canvas_messages_daily") }}
    group by day, channel
)

select
    day,
    message_type,
    channel,
    sent,
    delivered,
    failures,
    bounces,
    unsubscribes,
    reported_spam,
    {{ braze.rate("delivered", "sent") }} as delivery_rate,
    {{ braze.rate("failures", "sent") }} as failure_rate,
    {{ braze.rate("bounces", "sent") }} as bounce_rate,
    {{ braze.rate("unsubscribes", "delivered") }} as unsubscribe_rate,
    {{ braze.rate("reported_spam", "delivered") }} as spam_rate
from messages
