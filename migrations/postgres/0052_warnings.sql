-- What is amiss with a document that gave its pages all the same; null where nothing is.

ALTER TABLE documents ADD COLUMN warnings JSONB;
CREATE INDEX documents_with_warnings ON documents (batch) WHERE warnings IS NOT NULL;
