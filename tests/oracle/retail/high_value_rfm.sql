-- All customers take part; who never bought is last by recency. Equals go by their key.
WITH figures AS (
    SELECT c.customer_id, max(o.ordered_at) AS last_at, count(o.order_id) AS orders, coalesce(sum(o.amount), 0) AS amount
    FROM customers c LEFT JOIN past_orders o ON o.customer_id = c.customer_id
    GROUP BY c.customer_id
), fifths AS (
    SELECT customer_id,
           ntile(5) OVER (ORDER BY last_at DESC NULLS LAST, customer_id) AS recency,
           ntile(5) OVER (ORDER BY orders DESC, customer_id) AS frequency,
           ntile(5) OVER (ORDER BY amount DESC, customer_id) AS money
    FROM figures
)
SELECT customer_id FROM fifths WHERE recency <= 2 AND frequency <= 2 AND money <= 2
EXCEPT
SELECT customer_id FROM staff_members
