select
    daily.canvas_id,
    canvases.canvas_name,
    canvases.is_archived,
    daily.day,
    daily.variant_id,
    daily.variant_name,
    daily.entries,
    daily.conversions,
    daily.conversions_by_entry_time,
    daily.revenue,
    {{ braze.rate("daily.conversions_by_entry_time", "daily.entries") }} as conversion_rate
from {{ ref("stg_braze__canvas_variants_daily") }} as daily
left join {{ ref("stg_braze__canvases") }} as canvases on canvases.canvas_id = daily.canvas_id
