-- Neither champions nor loyal: those need a better recency.
SELECT customer_id FROM rfm_scores WHERE r <= 2 AND m >= 4
