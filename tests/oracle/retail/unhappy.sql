SELECT customer_id FROM past_tickets WHERE satisfaction IN (1, 2) AND opened_at >= TIMESTAMP '2024-04-01 00:00:00'
UNION
SELECT customer_id FROM past_tickets GROUP BY customer_id HAVING sum(satisfaction) * 2 < 5 * count(satisfaction)
