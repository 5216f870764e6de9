{# The tables of Currents by event type that were loaded, as pairs of event type and name; none if all are in one. #}
{% macro tables_of_event_types() %}
    {%- set tables = [] -%}
    {%- set all_in_one = source("braze", "currents_events") -%}
    {%- if not adapter.get_relation(all_in_one.database, all_in_one.schema, all_in_one.identifier) -%}
        {%- for node in graph.sources.values() | sort(attribute="name")
            if node.package_name == "braze" and node.source_name == "braze_currents"
            and node.config.meta.event_type.startswith("users.") -%}
            {%- if adapter.get_relation(node.database, node.schema, node.identifier) -%}
                {%- do tables.append((node.config.meta.event_type, node.name)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(tables) }}
{% endmacro %}
