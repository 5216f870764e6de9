{#- What happened to messages, in the words of all channels: from the end of the event type to a kind. -#}
with events as (
    select
        *,
        split_part(event_type, '.', 3) as channel_in_type,
        split_part(event_type, '.', 4) as action
    from {{ ref("stg_braze__events") }}
    where event_type like 'users.messages.%'
)

select
    event_id,
    event_at,
    user_id,
    external_user_id,
    campaign_id,
    canvas_id,
    canvas_variation_id,
    canvas_step_id,
    -- Not canvas_step_message_variation_id: opens of push have it, and their sends have not.
    coalesce(message_variation_id, canvas_step_id, '') as message_id,
    -- What a conversion names: the campaign or Canvas as a whole.
    coalesce(campaign_id, canvas_id, '') as object_id,
    case channel_in_type
        when 'pushnotification' then 'push'
        when 'contentcard' then 'content_card'
        when 'inappmessage' then 'in_app_message'
        else channel_in_type
    end as channel,
    case
        when action = 'Send' then 'send'
        -- These are shown without a send before it.
        when action = 'Impression' and channel_in_type in ('inappmessage', 'banner') then 'send'
        when action = 'Delivery' then 'delivery'
        when action in ('Bounce', 'Rejection', 'DeliveryFailure', 'Failure') then 'failure'
        when action = 'Open' and is_machine_open then 'machine_open'
        when action in ('Open', 'Read') or (action = 'Impression' and channel_in_type = 'contentcard') then 'open'
        when action in ('Click', 'ShortLinkClick') and is_suspected_bot_click then 'bot_click'
        when action in ('Click', 'ShortLinkClick') then 'click'
        when action = 'Unsubscribe' then 'unsubscribe'
        when action = 'MarkAsSpam' then 'spam'
    end as kind
from events
-- Nobody to attribute to: an answer from a number that no user has, say.
where user_id is not null
