-- Since when every attempt to reach an endpoint has failed. It is empty while the last one succeeded, and while the
-- endpoint is disabled.

ALTER TABLE webhook_endpoints ADD COLUMN failing_since TIMESTAMPTZ;
