SELECT customer_id FROM past GROUP BY customer_id HAVING count(*) = 1 AND min(paid_at) >= TIMESTAMP '2024-05-31 00:00:00'
