SELECT customer_id
FROM past_views
WHERE viewed_at >= TIMESTAMP '2024-04-01 00:00:00'
GROUP BY customer_id
HAVING count(*) >= 5
EXCEPT
SELECT customer_id FROM past_orders
