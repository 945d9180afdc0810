SELECT reader_id FROM known GROUP BY reader_id
HAVING min(started_at) >= TIMESTAMP '2024-05-31 00:00:00' AND count(*) > count(ended_at)
