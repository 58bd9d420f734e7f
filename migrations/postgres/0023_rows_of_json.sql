-- Many rows in one parameter. SQLite has json_each for arrays; this is the same for PostgreSQL, whose own function of
-- that name takes objects, and not text. So a statement that writes or finds many rows is one on both databases.
-- STABLE and not STRICT: the planner then reads it as if it were written where it is called.
CREATE FUNCTION json_each(array_of_rows TEXT, OUT key BIGINT, OUT value JSONB) RETURNS SETOF RECORD
    LANGUAGE sql STABLE ROWS 100
    AS $$ SELECT place - 1, one FROM jsonb_array_elements(CAST(array_of_rows AS JSONB)) WITH ORDINALITY AS each (one, place) $$;
