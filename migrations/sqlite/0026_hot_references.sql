-- PostgreSQL checks what rows of the audit log point to by a query for each; SQLite does not, and keeps it.
SELECT 1;
