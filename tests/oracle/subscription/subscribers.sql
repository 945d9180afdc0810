SELECT DISTINCT reader_id FROM running
