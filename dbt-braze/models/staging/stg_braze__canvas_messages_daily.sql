{{ braze.messages_daily("canvases_messages_analytics", "canvas_id", "conversions_by_entry_time", ["step_id", "step_name"]) }}
