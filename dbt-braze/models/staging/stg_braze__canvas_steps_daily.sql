with source as (
    {{ braze.source_or_empty("braze", "canvases_steps_analytics") }}
)

select
    canvas_id,
    "time" as day,
    step_id,
    name as step_name,
    conversions,
    conversions_by_entry_time,
    revenue
from source
