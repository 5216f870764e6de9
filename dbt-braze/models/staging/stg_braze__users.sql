with source as (
    {{ braze.source_or_empty("braze", "users") }}
)

select
    braze_id as user_id,
    external_id as external_user_id,
    created_at,
    country,
    language,
    email_subscribe,
    push_subscribe,
    total_revenue,
    exported_at
from source
