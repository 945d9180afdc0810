SELECT customer_id FROM customers WHERE regexp_matches(first_name || ' ' || last_name, '['',"]')
