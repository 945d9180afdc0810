-- The view is in _tables.sql.
SELECT household_id FROM won_back
