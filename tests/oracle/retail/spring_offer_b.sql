SELECT customer_id FROM spring_members WHERE bucket('spring-2024', customer_id) BETWEEN 4500 AND 8999
