SELECT customer_id FROM past WHERE paid_at >= TIMESTAMP '2023-07-01 00:00:00' GROUP BY customer_id HAVING sum(total) >= 600
