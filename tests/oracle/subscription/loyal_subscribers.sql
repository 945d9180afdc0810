SELECT reader_id FROM known GROUP BY reader_id
HAVING count(*) > count(ended_at) AND max(started_at) < TIMESTAMP '2023-07-01 00:00:00'
   AND coalesce(max(ended_at) < TIMESTAMP '2023-07-01 00:00:00', true)
