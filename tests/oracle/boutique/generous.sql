SELECT customer_id FROM past WHERE shelf <> 'gifts' GROUP BY customer_id HAVING avg(total) > 90
