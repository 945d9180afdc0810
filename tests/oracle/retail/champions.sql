SELECT customer_id FROM rfm_scores WHERE r >= 4 AND f >= 4 AND m >= 4
EXCEPT
SELECT customer_id FROM staff_members
