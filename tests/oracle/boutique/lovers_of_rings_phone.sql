SELECT customer_id FROM shelves WHERE place = 1 AND shelf = 'rings'
INTERSECT
SELECT customer_id FROM with_number
