SELECT reader_id FROM running GROUP BY reader_id HAVING sum(monthly_amount) >= 30
