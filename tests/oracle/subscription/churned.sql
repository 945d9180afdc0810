SELECT reader_id FROM gone
