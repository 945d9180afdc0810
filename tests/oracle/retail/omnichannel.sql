SELECT customer_id FROM past_orders WHERE channel = 'shop'
INTERSECT
SELECT customer_id FROM past_orders WHERE channel IN ('web', 'app')
INTERSECT
SELECT customer_id FROM past_orders WHERE ordered_at >= TIMESTAMP '2023-07-01 00:00:00'
GROUP BY customer_id HAVING sum(amount) >= 300
