{{ braze.messages_daily("campaigns_messages_analytics", "campaign_id", "conversions_by_send_time") }}
