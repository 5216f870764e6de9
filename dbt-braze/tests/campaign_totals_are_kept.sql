-- A join that repeats rows would change the sums.
with daily as (
    select sum(sent) as sent, sum(clicks) as clicks, sum(revenue) as revenue
    from {{ ref("stg_braze__campaign_messages_daily") }}
),

mart as (
    select sum(sent) as sent, sum(clicks) as clicks, sum(revenue) as revenue
    from {{ ref("braze__campaign_daily_performance") }}
)

select daily.sent, mart.sent as mart_sent
from daily
cross join mart
where
    daily.sent is distinct from mart.sent
    or daily.clicks is distinct from mart.clicks
    or abs(daily.revenue - mart.revenue) > 0.01
