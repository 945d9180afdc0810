SELECT customer_id FROM customers WHERE lower(trim(email, ' ')) LIKE '%@shop.example'
