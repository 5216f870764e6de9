with messages as (
    select
        campaign_id,
        day,
        channel,
        {{ braze.sums_of_messages() }}
    from {{ ref("stg_braze__campaign_messages_daily") }}
    group by campaign_id, day, channel
)

select
    messages.campaign_id,
    campaigns.campaign_name,
    campaigns.is_archived,
    messages.day,
    messages.channel,
    {{ braze.message_measures("messages") }},
    {{ braze.message_rates("messages") }}
from messages
left join {{ ref("stg_braze__campaigns") }} as campaigns on campaigns.campaign_id = messages.campaign_id
