-- SQLite has json_each for arrays already, and reckons with few rows of it.
SELECT 1;
