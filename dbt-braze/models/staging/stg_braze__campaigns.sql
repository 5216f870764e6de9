with listed as (
    {{ braze.source_or_empty("braze", "campaigns") }}
),

details as (
    {{ braze.source_or_empty("braze", "campaigns_details") }}
)

-- Either table can have a campaign that the other lacks: details are read of those that were edited.
select
    coalesce(details.campaign_id, listed.id) as campaign_id,
    coalesce(details.name, listed.name) as campaign_name,
    details.description,
    listed.is_api_campaign,
    details.archived as is_archived,
    details.draft as is_draft,
    details.enabled as is_enabled,
    details.schedule_type,
    coalesce(details.channels, cast('[]' as {{ braze.column_type("json") }})) as channels,
    coalesce(details.tags, listed.tags, cast('[]' as {{ braze.column_type("json") }})) as tags,
    details.created_at,
    coalesce(details.updated_at, listed.last_edited) as updated_at,
    details.first_sent as first_sent_at,
    details.last_sent as last_sent_at
from listed
full join details on details.campaign_id = listed.id
