SELECT customer_id FROM past GROUP BY customer_id HAVING count(*) >= 3
   AND date_diff('day', min(paid_at), max(paid_at)) <= 45 * (count(*) - 1)
