select send_event_id
from {{ ref("braze__message_attribution") }}
where
    first_opened_at < sent_at
    or first_clicked_at < sent_at
    or first_converted_at < sent_at
    or delivered_at < sent_at
