with source as (
    {{ braze.source_or_empty("braze", "unsubscribes") }}
)

select
    email,
    unsubscribed_at
from source
