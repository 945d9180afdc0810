SELECT reader_id FROM known GROUP BY reader_id
HAVING count(ended_at) > 0 AND count(*) > count(ended_at) AND max(started_at) > max(ended_at)
