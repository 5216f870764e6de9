with source as (
    {{ braze.source_or_empty("braze", "invalid_phone_numbers") }}
)

select
    phone,
    invalid_detected_at,
    reason
from source
