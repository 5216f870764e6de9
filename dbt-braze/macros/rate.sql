{# A share of a whole, null where there is nothing to divide by. #}
{% macro rate(part, whole) -%}
    cast({{ part }} as {{ braze.column_type("double") }}) / nullif({{ whole }}, 0)
{%- endmacro %}
