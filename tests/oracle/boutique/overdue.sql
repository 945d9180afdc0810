-- The mean number of days between two, rounded up to whole days, after the day of the last.
SELECT customer_id FROM past GROUP BY customer_id HAVING count(*) >= 3
   AND CAST(max(paid_at) AS DATE)
       + CAST(ceil(date_diff('day', min(paid_at), max(paid_at)) / (count(*) - 1)) AS INTEGER) < DATE '2024-06-30'
