SELECT DISTINCT customer_id FROM past_tickets WHERE closed_at IS NULL
