"""Webhooks: the audit log as an outbox, to receivers of Standard Webhooks and to Slack."""
