SELECT customer_id
FROM customers
WHERE date_part('month', birth_date) BETWEEN 7 AND 8 AND country IN ('FR', 'DE')
EXCEPT
SELECT customer_id FROM staff_members
EXCEPT
SELECT customer_id FROM past_tickets WHERE closed_at IS NULL
