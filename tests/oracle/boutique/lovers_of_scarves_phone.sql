SELECT customer_id FROM shelves WHERE place = 1 AND shelf = 'scarves'
INTERSECT
SELECT customer_id FROM with_number
