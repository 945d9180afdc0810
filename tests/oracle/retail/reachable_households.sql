SELECT household_id
FROM customers
WHERE optin_email AND email IS NOT NULL AND household_id IN (SELECT household_id FROM households)
GROUP BY household_id
HAVING count(*) >= 2
