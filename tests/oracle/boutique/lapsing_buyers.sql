SELECT customer_id FROM past GROUP BY customer_id HAVING count(*) FILTER (WHERE paid_at >= TIMESTAMP '2023-07-01 00:00:00') >= 2
   AND max(paid_at) < TIMESTAMP '2024-04-01 00:00:00'
