SELECT c.customer_id
FROM customers c LEFT JOIN past_orders o ON o.customer_id = c.customer_id
WHERE c.optin_email AND c.email IS NOT NULL AND c.customer_id NOT IN (SELECT customer_id FROM staff_members)
GROUP BY c.customer_id
ORDER BY coalesce(sum(o.amount), 0) DESC, c.customer_id
LIMIT 200
