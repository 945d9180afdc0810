SELECT reader_id FROM gone WHERE left_at < TIMESTAMP '2024-05-31 00:00:00'
INTERSECT
SELECT reader_id FROM latest WHERE purpose = 'email' AND granted
