-- SQLite has json_each for arrays already: see the file of this name for PostgreSQL.
SELECT 1;
