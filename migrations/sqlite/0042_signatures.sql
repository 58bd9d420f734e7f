-- How webhooks of an endpoint are signed and in which form they come; and what they were signed with before, for as long
-- as that is used too.

ALTER TABLE webhook_endpoints ADD COLUMN signature TEXT NOT NULL DEFAULT 'v1'
    CHECK (signature IN ('v1', 'v1a', 'both'));
ALTER TABLE webhook_endpoints ADD COLUMN form TEXT NOT NULL DEFAULT 'standard'
    CHECK (form IN ('standard', 'cloudevents'));
-- The private key in the clear, as the secret is, and its public half.
ALTER TABLE webhook_endpoints ADD COLUMN seed TEXT;
ALTER TABLE webhook_endpoints ADD COLUMN public_key TEXT;
ALTER TABLE webhook_endpoints ADD COLUMN previous_secret TEXT;
ALTER TABLE webhook_endpoints ADD COLUMN previous_seed TEXT;
ALTER TABLE webhook_endpoints ADD COLUMN previous_public_key TEXT;
ALTER TABLE webhook_endpoints ADD COLUMN previous_until TEXT;
