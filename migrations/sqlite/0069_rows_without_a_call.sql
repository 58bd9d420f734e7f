-- SQLite's json_each is its own.
SELECT 1;
