-- SQLite leaves no room of its own.
SELECT 1;
