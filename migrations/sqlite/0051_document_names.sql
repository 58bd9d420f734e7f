-- Who puts a document under a name is told whether the batch has that name already.

CREATE INDEX documents_by_name ON documents (batch, name);
