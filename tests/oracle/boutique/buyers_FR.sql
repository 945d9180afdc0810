SELECT DISTINCT customer_id FROM past JOIN customers USING (customer_id) WHERE country = 'FR'
