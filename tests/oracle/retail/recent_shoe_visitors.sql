SELECT customer_id
FROM past_views
WHERE category = 'shoes' AND viewed_at >= TIMESTAMP '2024-05-31 00:00:00'
GROUP BY customer_id
HAVING count(*) >= 2
EXCEPT
SELECT customer_id FROM past_orders WHERE category = 'shoes' AND ordered_at >= TIMESTAMP '2024-05-31 00:00:00'
