SELECT reader_id FROM running
INTERSECT
SELECT reader_id FROM latest WHERE purpose = 'advertising' AND granted
INTERSECT
SELECT reader_id FROM (SELECT reader_id, arg_max(plan, started_at) AS plan FROM known GROUP BY reader_id) WHERE plan = 'digital'
