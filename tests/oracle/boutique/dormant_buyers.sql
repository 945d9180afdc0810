SELECT customer_id FROM past GROUP BY customer_id HAVING max(paid_at) < TIMESTAMP '2023-07-01 00:00:00'
