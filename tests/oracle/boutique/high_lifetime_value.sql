SELECT customer_id FROM past GROUP BY customer_id HAVING sum(total) >= 600
