-- 730 days before 2024-06-30 is 2022-07-01.
SELECT reader_id FROM known GROUP BY reader_id
HAVING count(*) > count(ended_at) AND CAST(min(started_at) AS DATE) <= DATE '2022-07-01'
