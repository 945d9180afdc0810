SELECT customer_id
FROM past_orders
GROUP BY customer_id
HAVING count(*) = 1 AND min(ordered_at) >= TIMESTAMP '2024-05-01 00:00:00'
EXCEPT
SELECT customer_id FROM staff_members
EXCEPT
SELECT customer_id FROM past_tickets WHERE satisfaction <= 2 AND opened_at >= TIMESTAMP '2024-04-01 00:00:00'
EXCEPT
SELECT customer_id FROM past_tickets GROUP BY customer_id HAVING sum(satisfaction) < 2.5 * count(satisfaction)
