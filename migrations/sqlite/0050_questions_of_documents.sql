-- The places of those questions of the batch that the document is asked; where there are none it is asked all of them.

ALTER TABLE documents ADD COLUMN questions TEXT;
