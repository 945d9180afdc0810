SELECT customer_id FROM past_views WHERE event_type = 'add_to_cart' AND viewed_at >= TIMESTAMP '2024-06-23 00:00:00'
EXCEPT
SELECT customer_id FROM past_orders WHERE channel IN ('web', 'app') AND ordered_at >= TIMESTAMP '2024-06-23 00:00:00'
