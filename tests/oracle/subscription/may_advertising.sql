SELECT reader_id FROM latest WHERE purpose = 'advertising' AND granted
