SELECT reader_id FROM latest WHERE purpose = 'phone' AND granted
