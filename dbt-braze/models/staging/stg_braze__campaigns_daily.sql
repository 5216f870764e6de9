with source as (
    {{ braze.source_or_empty("braze", "campaigns_analytics") }}
)

select
    campaign_id,
    "time" as day,
    unique_recipients,
    conversions,
    conversions_by_send_time,
    revenue
from source
