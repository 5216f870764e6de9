{#- The columns that the models need besides those of `currents_events`; there, they are in `payload`. -#}
{%- set fields = {
    "campaign_name": "varchar",
    "message_variation_id": "varchar",
    "canvas_name": "varchar",
    "canvas_variation_id": "varchar",
    "canvas_step_id": "varchar",
    "machine_open": "varchar",
    "is_suspected_bot_click": "boolean",
    "in_control_group": "boolean",
    "product_id": "varchar",
    "price": "double",
    "currency": "varchar",
} -%}
{%- set of_users = {
    "user_id": "varchar",
    "external_user_id": "varchar",
    "device_id": "varchar",
    "app_id": "varchar",
    "campaign_id": "varchar",
    "canvas_id": "varchar",
} -%}
{%- set common = ["id", "time"] + (of_users | list) -%}
{%- set more = dict(of_users, **fields) -%}
{%- set of_types = braze.tables_of_event_types() if execute else [] -%}

with events as (
    {% if not of_types %}
    select
        event_type,
        {{ common | map("tojson") | join(", ") }},
        {% for name, data_type in fields.items() -%}
        cast((payload ->> '{{ name }}') as {{ braze.column_type(data_type) }}) as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from (
        {{ braze.source_or_empty("braze", "currents_events") }}
    ) as currents_events
    {% else %}
    {% for event_type, table_name in of_types %}
    select
        '{{ event_type }}' as event_type,
        {{ common | map("tojson") | join(", ") }},
        {{ fields | map("tojson") | join(", ") }}
    from (
        {{ braze.source_or_empty("braze_currents", table_name, more) }}
    ) as {{ table_name }}
    {{ "union all" if not loop.last }}
    {% endfor %}
    {% endif %}
)

select
    event_type,
    id as event_id,
    {{ braze.from_epoch('"time"') }} as event_at,
    user_id,
    external_user_id,
    device_id,
    app_id,
    campaign_id,
    canvas_id,
    campaign_name,
    message_variation_id,
    canvas_name,
    canvas_variation_id,
    canvas_step_id,
    coalesce(machine_open = 'true', false) as is_machine_open,
    coalesce(is_suspected_bot_click, false) as is_suspected_bot_click,
    coalesce(in_control_group, false) as is_in_control_group,
    product_id,
    -- Currents writes prices with 32 bits: 19.99 would be 19.989999771118164.
    cast(cast(cast(price as real) as {{ dbt.type_string() }}) as numeric(38, 6)) as price,
    currency
from events
