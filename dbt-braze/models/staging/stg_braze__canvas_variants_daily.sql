with source as (
    {{ braze.source_or_empty("braze", "canvases_variants_analytics") }}
)

select
    canvas_id,
    "time" as day,
    variant_id,
    name as variant_name,
    entries,
    conversions,
    conversions_by_entry_time,
    revenue
from source
