{# What differs from warehouse to warehouse. Another adapter needs these macros only. #}

{# The warehouse's name of a type in the sources. #}
{% macro column_type(data_type) %}
    {{- return(adapter.dispatch("column_type", "braze")(data_type)) -}}
{% endmacro %}

{% macro default__column_type(data_type) %}
    {%- set names = {
        "varchar": dbt.type_string(),
        "bigint": dbt.type_bigint(),
        "double": dbt.type_float(),
        "boolean": dbt.type_boolean(),
        "timestamp": dbt.type_timestamp(),
        "date": "date",
        "json": "json",
    } -%}
    {{ return(names[data_type]) }}
{% endmacro %}

{% macro postgres__column_type(data_type) %}
    {{ return("jsonb" if data_type == "json" else braze.default__column_type(data_type)) }}
{% endmacro %}

{% macro duckdb__column_type(data_type) %}
    {# DuckDB's `float` has 32 bits. #}
    {{ return("double" if data_type == "double" else braze.default__column_type(data_type)) }}
{% endmacro %}


{# A column in its type; loaders write arrays as arrays of the warehouse or as JSON. #}
{% macro cast_column(name, existing_type, data_type) %}
    {{- return(adapter.dispatch("cast_column", "braze")(name, existing_type, data_type)) -}}
{% endmacro %}

{% macro default__cast_column(name, existing_type, data_type) %}
    {{ return("cast(" ~ name ~ " as " ~ braze.column_type(data_type) ~ ")") }}
{% endmacro %}

{% macro postgres__cast_column(name, existing_type, data_type) %}
    {% if data_type == "json" and (existing_type | upper).startswith("ARRAY") %}
        {{ return("to_jsonb(" ~ name ~ ")") }}
    {% endif %}
    {{ return(braze.default__cast_column(name, existing_type, data_type)) }}
{% endmacro %}

{% macro duckdb__cast_column(name, existing_type, data_type) %}
    {% if data_type == "json" and existing_type.endswith("[]") %}
        {{ return("to_json(" ~ name ~ ")") }}
    {% endif %}
    {{ return(braze.default__cast_column(name, existing_type, data_type)) }}
{% endmacro %}


{# Join each element of a JSON array, as `alias`.value. #}
{% macro json_elements(expression, alias) %}
    {{- return(adapter.dispatch("json_elements", "braze")(expression, alias)) -}}
{% endmacro %}

{% macro default__json_elements(expression, alias) -%}
    cross join lateral jsonb_array_elements(coalesce({{ expression }}, '[]')) as {{ alias }}(value)
{%- endmacro %}

{% macro duckdb__json_elements(expression, alias) -%}
    cross join unnest(cast(coalesce({{ expression }}, '[]') as json[])) as {{ alias }}(value)
{%- endmacro %}


{# Join each name in a JSON object, as `alias`.name. #}
{% macro json_names(expression, alias) %}
    {{- return(adapter.dispatch("json_names", "braze")(expression, alias)) -}}
{% endmacro %}

{% macro default__json_names(expression, alias) -%}
    cross join lateral jsonb_object_keys(coalesce({{ expression }}, '{}')) as {{ alias }}(name)
{%- endmacro %}

{% macro duckdb__json_names(expression, alias) -%}
    cross join unnest(json_keys(coalesce({{ expression }}, '{}'))) as {{ alias }}(name)
{%- endmacro %}


{# The text of a JSON string. #}
{% macro json_string(expression) %}
    {{- return("(" ~ expression ~ " #>> '{}')" if target.type == "postgres" else "(" ~ expression ~ " ->> '$')") -}}
{% endmacro %}


{# Seconds since 1970 as a timestamp in UTC. #}
{% macro from_epoch(expression) %}
    {{- return(adapter.dispatch("from_epoch", "braze")(expression)) -}}
{% endmacro %}

{% macro default__from_epoch(expression) -%}
    (to_timestamp({{ expression }}) at time zone 'UTC')
{%- endmacro %}

{% macro duckdb__from_epoch(expression) -%}
    make_timestamp({{ expression }} * 1000000)
{%- endmacro %}
