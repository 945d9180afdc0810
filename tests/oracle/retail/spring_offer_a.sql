SELECT customer_id FROM spring_members WHERE bucket('spring-2024', customer_id) < 4500
