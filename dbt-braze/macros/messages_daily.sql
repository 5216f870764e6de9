{#
  The long form of campaign or Canvas analytics, with one name for what channels name differently.

  A metric is null where the channel does not have it. `machine_opens` of emails are opens by a machine (Apple's Mail
  Privacy Protection); Braze counts them in `opens` too, and calls the rest other opens:
  https://www.braze.com/docs/user_guide/data/report_metrics
#}
{% macro messages_daily(table_name, object_id, conversions_by_origin, more_keys=[]) %}
with source as (
    {{ braze.source_or_empty("braze", table_name, {"machine_open": "bigint"}) }}
)

select
    {{ object_id }},
    "time" as day,
    {%- for key in more_keys %}
    {{ key }},
    {%- endfor %}
    channel,
    variation,
    variation_name,
    sent,
    -- Push and webhooks have no count of deliveries.
    coalesce(delivered, sent - bounces, sent - errors) as delivered,
    bounces,
    coalesce(bounces, 0) + coalesce(rejected, 0) + coalesce(delivery_failed, 0) + coalesce(failed, 0)
        + coalesce(errors, 0) as failures,
    coalesce(opens, total_opens, "read") as opens,
    direct_opens,
    machine_open as machine_opens,
    case channel when 'email' then opens - machine_open else coalesce(opens, total_opens, "read") end as other_opens,
    unique_opens,
    coalesce(impressions, total_impressions) as impressions,
    unique_impressions,
    coalesce(clicks, total_clicks, body_clicks) as clicks,
    unique_clicks,
    coalesce(unsubscribes, opt_out) as unsubscribes,
    reported_spam,
    unique_recipients,
    enrolled as enrolled_in_control,
    conversions,
    {{ conversions_by_origin }} as conversions_by_origin,
    revenue
from source
{% endmacro %}
