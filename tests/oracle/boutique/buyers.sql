SELECT DISTINCT customer_id FROM past
