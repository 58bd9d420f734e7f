-- Documents that are rows of their batch themselves, because they have become no pages: found in order of place without
-- going past those that have.
CREATE INDEX documents_without_pages ON documents (batch, place) WHERE state <> 'split';
