-- The trace of whoever opened a batch, as W3C Trace Context writes it, and of what an event tells. It is only told.

ALTER TABLE batches ADD COLUMN traceparent TEXT;
ALTER TABLE batches ADD COLUMN tracestate TEXT;
ALTER TABLE events ADD COLUMN traceparent TEXT;
ALTER TABLE events ADD COLUMN tracestate TEXT;
