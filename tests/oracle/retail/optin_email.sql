SELECT customer_id
FROM customers
WHERE optin_email AND email IS NOT NULL AND customer_id NOT IN (SELECT customer_id FROM staff_members)
