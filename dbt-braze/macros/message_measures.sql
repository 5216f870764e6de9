{# What the marts count of messages. #}
{% macro measures_of_messages() %}
    {{ return([
        "sent", "delivered", "failures", "bounces", "opens", "machine_opens", "other_opens", "unique_opens",
        "direct_opens", "impressions", "unique_impressions", "clicks", "unique_clicks", "unsubscribes",
        "reported_spam", "enrolled_in_control", "conversions", "conversions_by_origin", "revenue",
    ]) }}
{% endmacro %}

{# The sum of each. #}
{% macro sums_of_messages() %}
    {%- for name in braze.measures_of_messages() %}
    sum({{ name }}) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{% endmacro %}

{# Each, out of a table. #}
{% macro message_measures(table) %}
    {%- for name in braze.measures_of_messages() %}
    {{ table }}.{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{% endmacro %}

{#
  Their rates. `open_rate` has machine opens in it, as Braze shows it; `other_open_rate` has not.
  https://www.braze.com/docs/user_guide/data/report_metrics
#}
{% macro message_rates(table) %}
    {{ braze.rate(table ~ ".delivered", table ~ ".sent") }} as delivery_rate,
    {{ braze.rate(table ~ ".bounces", table ~ ".sent") }} as bounce_rate,
    {{ braze.rate(table ~ ".opens", table ~ ".delivered") }} as open_rate,
    {{ braze.rate(table ~ ".other_opens", table ~ ".delivered") }} as other_open_rate,
    {{ braze.rate(table ~ ".unique_opens", table ~ ".delivered") }} as unique_open_rate,
    {{ braze.rate(table ~ ".clicks", table ~ ".delivered") }} as click_rate,
    {{ braze.rate(table ~ ".unique_clicks", table ~ ".delivered") }} as unique_click_rate,
    {{ braze.rate(table ~ ".unique_clicks", table ~ ".unique_opens") }} as click_to_open_rate,
    {{ braze.rate(table ~ ".unsubscribes", table ~ ".delivered") }} as unsubscribe_rate,
    {{ braze.rate(table ~ ".reported_spam", table ~ ".delivered") }} as spam_rate
{% endmacro %}
