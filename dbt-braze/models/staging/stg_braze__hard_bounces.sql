with source as (
    {{ braze.source_or_empty("braze", "hard_bounces") }}
)

select
    email,
    hard_bounced_at
from source
