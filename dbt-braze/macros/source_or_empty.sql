{#
  Select from a table of a source, with every column that the catalog names and each of its type there.

  What was not loaded does not fail a model: a table that does not exist has no rows, a column that does not exist is
  null. `more` adds columns that the catalog may not name, as a mapping of names to types. Rows that Braze no longer
  has (`_sdc_deleted_at`) stay out. Of a table with history (`valid_from`), the latest version of each object remains.
#}
{% macro source_or_empty(source_name, table_name, more={}) %}
    {%- set relation = source(source_name, table_name) -%}
    {%- if not execute -%}
        select 1 as not_parsed
    {%- else -%}
        {%- set found = adapter.get_relation(relation.database, relation.schema, relation.identifier) -%}
        {%- set existing = {} -%}
        {%- for column in (adapter.get_columns_in_relation(found) if found else []) -%}
            {%- do existing.update({column.name: column.dtype}) -%}
        {%- endfor -%}
        {%- set wanted = braze.catalog_columns(source_name, table_name) -%}
        {%- for name, data_type in more.items() if name not in wanted -%}
            {%- do wanted.update({name: data_type}) -%}
        {%- endfor -%}
        select
        {%- for name, data_type in wanted.items() %}
            {% if name in existing -%}
                {{ braze.cast_column(adapter.quote(name), existing[name], data_type) }}
            {%- else -%}
                cast(null as {{ braze.column_type(data_type) }})
            {%- endif %} as {{ adapter.quote(name) }}{{ "," if not loop.last }}
        {%- endfor %}
        {% if not found %}
        where false
        {%- else %}
        from {{ braze.latest_versions(source_name, table_name, existing) }}
        {%- if "_sdc_deleted_at" in existing %}
        where _sdc_deleted_at is null
        {%- endif %}
        {%- endif %}
    {%- endif -%}
{% endmacro %}


{# The columns that the catalog names for a table, with their types there. #}
{% macro catalog_columns(source_name, table_name) %}
    {%- set columns = {} -%}
    {%- for node in graph.sources.values()
        if node.package_name == "braze" and node.source_name == source_name and node.name == table_name -%}
        {%- for name, column in node.columns.items() -%}
            {%- do columns.update({name: column.data_type}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}


{# The table, or of a table with history the rows that Braze still has. #}
{% macro latest_versions(source_name, table_name, existing) %}
    {%- set relation = source(source_name, table_name) -%}
    {%- set keys = [] -%}
    {%- for node in graph.sources.values()
        if node.package_name == "braze" and node.source_name == source_name and node.name == table_name -%}
        {%- do keys.extend(node.config.meta.key or []) -%}
    {%- endfor -%}
    {%- if keys and "valid_from" in existing and "deleted_at" in existing -%}
        (
            select * from (
                select
                    *,
                    row_number() over (
                        partition by {% for name in keys %}{{ adapter.quote(name) }}{{ ", " if not loop.last }}{% endfor %}
                        order by valid_from desc
                    ) as _version
                from {{ relation }}
            ) as versions
            where _version = 1 and deleted_at is null
        ) as latest
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{% endmacro %}
