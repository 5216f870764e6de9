with listed as (
    {{ braze.source_or_empty("braze", "canvases") }}
),

details as (
    {{ braze.source_or_empty("braze", "canvases_details") }}
)

select
    coalesce(details.canvas_id, listed.id) as canvas_id,
    coalesce(details.name, listed.name) as canvas_name,
    details.description,
    details.archived as is_archived,
    details.draft as is_draft,
    details.enabled as is_enabled,
    details.schedule_type,
    coalesce(details.tags, listed.tags, cast('[]' as {{ braze.column_type("json") }})) as tags,
    details.created_at,
    coalesce(details.updated_at, listed.last_edited) as updated_at,
    details.first_entry as first_entry_at,
    details.last_entry as last_entry_at,
    coalesce(details.variants, cast('[]' as {{ braze.column_type("json") }})) as variants,
    coalesce(details.steps, cast('[]' as {{ braze.column_type("json") }})) as steps
from listed
full join details on details.canvas_id = listed.id
