SELECT reader_id FROM latest WHERE purpose = 'email' AND granted
