-- The installation itself: one row. Its epoch moves when everything ever issued must die, as after a restore.
CREATE TABLE installation (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    created_at BIGINT NOT NULL
);

-- One row for each server key that this database has been used with; a start with other keys is refused.
CREATE TABLE key_checks (
    key_id SMALLINT NOT NULL PRIMARY KEY,
    digest BYTEA NOT NULL CHECK (length(digest) = 32)
);

CREATE TABLE tenants (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    era BIGINT NOT NULL CHECK (era >= 1),
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX tenants_slug ON tenants (slug) WHERE status <> 4;

-- The tenant's maximum lifetimes in seconds (none when null). Lowering one cuts every era; raising one opens a new era,
-- so that what exists never grows longer.
CREATE TABLE limit_eras (
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    era BIGINT NOT NULL,
    access_token BIGINT CHECK (access_token > 0),
    refresh_family BIGINT CHECK (refresh_family > 0),
    session BIGINT CHECK (session > 0),
    approval BIGINT CHECK (approval > 0),
    PRIMARY KEY (tenant_id, era)
);

CREATE TABLE users (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    email_key TEXT,
    status SMALLINT NOT NULL CHECK (status IN (1, 2, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    administrator BOOLEAN NOT NULL,
    password_hash TEXT,
    ever_linked BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    status_changed_at BIGINT NOT NULL,
    CHECK (email_key IS NULL OR email IS NOT NULL)
);
CREATE UNIQUE INDEX users_username ON users (tenant_id, username) WHERE status <> 4;
CREATE UNIQUE INDEX users_email_key ON users (tenant_id, email_key) WHERE status <> 4 AND email_key IS NOT NULL;

CREATE TABLE providers (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    slug TEXT NOT NULL,
    kind SMALLINT NOT NULL,
    issuer TEXT NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX providers_slug ON providers (tenant_id, slug) WHERE status <> 4;

-- Who a person is at an upstream provider. Issuer and subject are two columns, compared byte for byte.
CREATE TABLE links (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    provider_id BYTEA NOT NULL REFERENCES providers (id),
    user_id BYTEA NOT NULL REFERENCES users (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX links_subject ON links (provider_id, issuer, subject) WHERE status <> 4 AND subject <> '';
CREATE INDEX links_user ON links (user_id);

CREATE TABLE resource_servers (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    resource_id TEXT NOT NULL,
    identifier TEXT NOT NULL,
    name TEXT NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    old_secret_digest BYTEA CHECK (length(old_secret_digest) = 32),
    old_secret_key_id SMALLINT,
    old_secret_expires_at BIGINT,
    created_at BIGINT NOT NULL,
    CHECK ((old_secret_digest IS NULL) = (old_secret_expires_at IS NULL)),
    CHECK ((old_secret_digest IS NULL) = (old_secret_key_id IS NULL))
);
CREATE UNIQUE INDEX resource_servers_resource_id ON resource_servers (resource_id) WHERE status <> 4;
CREATE UNIQUE INDEX resource_servers_identifier ON resource_servers (tenant_id, identifier) WHERE status <> 4;
CREATE INDEX resource_servers_tenant ON resource_servers (tenant_id);

CREATE TABLE scopes (
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    resource_server_id BYTEA REFERENCES resource_servers (id),
    max_lifetime BIGINT CHECK (max_lifetime > 0),
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE clients (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    client_id TEXT NOT NULL,
    name TEXT NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    confidential BOOLEAN NOT NULL,
    secret_digest BYTEA CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT,
    old_secret_digest BYTEA CHECK (length(old_secret_digest) = 32),
    old_secret_key_id SMALLINT,
    old_secret_expires_at BIGINT,
    grant_types TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    origins TEXT NOT NULL,
    scopes TEXT NOT NULL,
    resources TEXT NOT NULL,
    implicit_consent BOOLEAN NOT NULL,
    session_bound BOOLEAN NOT NULL,
    access_token_lifetime BIGINT CHECK (access_token_lifetime > 0),
    refresh_lifetime BIGINT CHECK (refresh_lifetime > 0),
    created_at BIGINT NOT NULL,
    CHECK (confidential = (secret_digest IS NOT NULL)),
    CHECK ((secret_digest IS NULL) = (secret_key_id IS NULL)),
    CHECK ((old_secret_digest IS NULL) = (old_secret_expires_at IS NULL)),
    CHECK ((old_secret_digest IS NULL) = (old_secret_key_id IS NULL))
);
CREATE UNIQUE INDEX clients_client_id ON clients (client_id) WHERE status <> 4;

-- The chain of life: session (1), approval (2), family (3), client grant (4). A node remembers the epochs of its birth and never
-- outlives its binding parent; a recorded parent is provenance only.
CREATE TABLE nodes (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2, 3, 4)),
    tenant_id BYTEA NOT NULL,
    user_id BYTEA REFERENCES users (id),
    client_id BYTEA REFERENCES clients (id),
    link_id BYTEA REFERENCES links (id),
    parent_id BYTEA,
    parent_expires_at BIGINT,
    recorded_parent_id BYTEA,
    parent_token_id BYTEA,
    session_id BYTEA,
    installation_epoch BIGINT NOT NULL,
    tenant_epoch BIGINT NOT NULL,
    user_epoch BIGINT,
    client_epoch BIGINT,
    link_epoch BIGINT,
    provider_epoch BIGINT,
    era BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_cause SMALLINT,
    UNIQUE (id, expires_at),
    FOREIGN KEY (parent_id, parent_expires_at) REFERENCES nodes (id, expires_at),
    FOREIGN KEY (tenant_id, era) REFERENCES limit_eras (tenant_id, era),
    CHECK (expires_at > created_at),
    CHECK ((parent_id IS NULL) = (parent_expires_at IS NULL)),
    CHECK (parent_id IS NULL OR expires_at <= parent_expires_at),
    CHECK ((user_id IS NULL) = (user_epoch IS NULL)),
    CHECK ((client_id IS NULL) = (client_epoch IS NULL)),
    CHECK ((link_id IS NULL) = (link_epoch IS NULL)),
    CHECK ((link_id IS NULL) = (provider_epoch IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_cause IS NULL)),
    CHECK (kind <> 1 OR (user_id IS NOT NULL AND client_id IS NULL)),
    CHECK (kind <> 2 OR (user_id IS NOT NULL AND client_id IS NOT NULL
                         AND (parent_id IS NOT NULL OR recorded_parent_id IS NOT NULL))),
    CHECK (kind <> 3 OR (parent_id IS NOT NULL AND client_id IS NOT NULL)),
    CHECK (kind <> 4 OR (client_id IS NOT NULL AND user_id IS NULL AND parent_id IS NULL))
);
CREATE INDEX nodes_parent ON nodes (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX nodes_parent_token ON nodes (parent_token_id) WHERE parent_token_id IS NOT NULL;
CREATE INDEX nodes_user ON nodes (user_id, kind) WHERE user_id IS NOT NULL;
CREATE INDEX nodes_client ON nodes (client_id, kind) WHERE client_id IS NOT NULL;
CREATE INDEX nodes_expiry ON nodes (expires_at);

CREATE TABLE sessions (
    node_id BYTEA NOT NULL PRIMARY KEY REFERENCES nodes (id),
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    idle_at BIGINT NOT NULL,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL
);

CREATE TABLE approvals (
    node_id BYTEA NOT NULL PRIMARY KEY REFERENCES nodes (id),
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    basis SMALLINT NOT NULL CHECK (basis IN (1, 2, 3))
);

-- The current generation of a refresh token, and the one before it for the bounded grace window.
CREATE TABLE families (
    node_id BYTEA NOT NULL PRIMARY KEY REFERENCES nodes (id),
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    generation BIGINT NOT NULL CHECK (generation >= 0),
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    previous_generation BIGINT,
    previous_digest BYTEA CHECK (length(previous_digest) = 32),
    previous_key_id SMALLINT,
    rotated_at BIGINT NOT NULL,
    grace_used BOOLEAN NOT NULL,
    idle_at BIGINT NOT NULL,
    CHECK ((previous_generation IS NULL) = (previous_digest IS NULL)),
    CHECK ((previous_generation IS NULL) = (previous_key_id IS NULL))
);

-- Access tokens: many, each on one node, whose end it never passes.
CREATE TABLE tokens (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    node_id BYTEA NOT NULL,
    node_expires_at BIGINT NOT NULL,
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_cause SMALLINT,
    FOREIGN KEY (node_id, node_expires_at) REFERENCES nodes (id, expires_at),
    CHECK (expires_at > created_at),
    CHECK (expires_at <= node_expires_at),
    CHECK ((ended_at IS NULL) = (ended_cause IS NULL))
);

CREATE INDEX tokens_node ON tokens (node_id);

CREATE TABLE codes (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    approval_id BYTEA NOT NULL,
    approval_expires_at BIGINT NOT NULL,
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    redirect_uri TEXT NOT NULL,
    redirect_uri_sent BOOLEAN NOT NULL,
    code_challenge TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    FOREIGN KEY (approval_id, approval_expires_at) REFERENCES nodes (id, expires_at),
    CHECK (expires_at > created_at),
    CHECK (expires_at <= approval_expires_at)
);
CREATE INDEX codes_approval ON codes (approval_id);
CREATE INDEX codes_challenge ON codes (code_challenge);

-- What a person allowed a client before, so as not to ask again. Worth nothing by itself; it dies with the epochs it was given under.
CREATE TABLE consents (
    user_id BYTEA NOT NULL REFERENCES users (id),
    client_id BYTEA NOT NULL REFERENCES clients (id),
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    user_epoch BIGINT NOT NULL,
    client_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id),
    CHECK (expires_at > created_at)
);

-- A link sent by mail, or handed over: an invitation (1) or a password reset (2).
CREATE TABLE mailed_links (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id BYTEA NOT NULL REFERENCES users (id),
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2)),
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    user_epoch BIGINT NOT NULL,
    installation_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    CHECK (expires_at > created_at)
);
CREATE INDEX mailed_links_user ON mailed_links (user_id);

-- The secret with which the first administrator is made.
CREATE TABLE bootstraps (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    CHECK (expires_at > created_at)
);

-- Mail to be sent. The body is sealed, because it may hold a link.
CREATE TABLE mails (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    recipient TEXT NOT NULL,
    sealed_content BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE rate_limits (
    bucket TEXT NOT NULL PRIMARY KEY,
    used BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX rate_limits_expiry ON rate_limits (expires_at);

-- What happened, to whom, by which credential. Never a secret.
CREATE TABLE audit (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at BIGINT NOT NULL,
    event SMALLINT NOT NULL,
    outcome SMALLINT NOT NULL CHECK (outcome IN (1, 2)),
    tenant_id BYTEA,
    user_id BYTEA,
    client_id BYTEA,
    node_id BYTEA,
    token_id BYTEA,
    authenticated_by SMALLINT NOT NULL,
    credential_id BYTEA,
    request_id BYTEA,
    expires_at BIGINT,
    scopes TEXT,
    ip TEXT,
    user_agent TEXT,
    detail TEXT,
    -- The link that proves this row.
    chain_id BYTEA NOT NULL CHECK (length(chain_id) = 16),
    sequence BIGINT NOT NULL CHECK (sequence >= 1),
    -- session (2), client secret (3), bearer token (4), authorization code (5), refresh token (6) and mailed link (7) name the
    -- credential; nobody (0) and the command line (1) have none.
    CHECK ((authenticated_by IN (0, 1)) = (credential_id IS NULL))
);
CREATE INDEX audit_user ON audit (user_id, id) WHERE user_id IS NOT NULL;

-- One link for each commit that wrote audit rows, one chain for each connection that writes. The digest, made under a server key,
-- covers the digest of the link before it, the rows (the id and a keyed tag of each, 32 bytes together) and links of other chains
-- that were there already (chain, sequence and digest, 56 bytes together).
CREATE TABLE audit_links (
    chain_id BYTEA NOT NULL CHECK (length(chain_id) = 16),
    sequence BIGINT NOT NULL CHECK (sequence >= 1),
    key_id SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    row_tags BYTEA NOT NULL CHECK (length(row_tags) > 0 AND length(row_tags) % 32 = 0),
    seen_links BYTEA NOT NULL CHECK (length(seen_links) % 56 = 0),
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (chain_id, sequence)
) WITH (toast_tuple_target = 8160);
-- Tags cannot be compressed, so nobody is to try; and they stay in the row where it has room.
ALTER TABLE audit_links ALTER COLUMN row_tags SET STORAGE EXTERNAL;

INSERT INTO tenants (id, slug, name, status, epoch, era, created_at) VALUES ('\x00000000000000000000000000000000', 'default', 'Curfew', 1, 1, 1, 0);
INSERT INTO limit_eras (tenant_id, era) VALUES ('\x00000000000000000000000000000000', 1);
