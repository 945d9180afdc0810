SELECT customer_id FROM past_orders GROUP BY customer_id HAVING max(ordered_at) < TIMESTAMP '2023-07-01 00:00:00'
EXCEPT
SELECT customer_id FROM past_views WHERE viewed_at >= TIMESTAMP '2023-07-01 00:00:00'
