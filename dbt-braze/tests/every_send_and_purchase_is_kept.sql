with counts as (
    select
        (select count(*) from {{ ref("int_braze__message_events") }} where kind = 'send') as sends,
        (select count(*) from {{ ref("braze__message_attribution") }}) as attributed_sends,
        (select count(*) from {{ ref("stg_braze__events") }}
        where event_type = 'users.behaviors.Purchase' and user_id is not null) as purchases,
        (select count(*) from {{ ref("braze__purchase_attribution") }}) as attributed_purchases,
        (select count(*) from {{ ref("braze__purchase_attribution") }} where send_event_id is not null) as followed,
        (select sum(purchases) from {{ ref("braze__message_attribution") }}) as followed_of_messages
)

select *
from counts
where sends <> attributed_sends or purchases <> attributed_purchases or followed <> coalesce(followed_of_messages, 0)
