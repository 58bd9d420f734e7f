-- A proof asks for all entries about one thing.
CREATE INDEX audit_entries_of_subject ON audit_entries (subject, id);

-- What is known of how an answer came to be is put together and signed when it is asked for.
ALTER TABLE answers DROP COLUMN provenance;
