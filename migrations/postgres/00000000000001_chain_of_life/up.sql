-- The installation itself: one row. Its epoch moves when everything ever issued must die, as after a restore.
CREATE TABLE installation (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    -- The kill switch of the device flow.
    device_flow BOOLEAN NOT NULL,
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
    device_flow BOOLEAN NOT NULL,
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
    personal_access_token BIGINT CHECK (personal_access_token > 0),
    PRIMARY KEY (tenant_id, era)
);

CREATE TABLE users (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    email_key TEXT,
    -- Who vouches for the address: an administrator (1), an upstream provider (2), or the mailbox itself (3).
    email_origin SMALLINT NOT NULL CHECK (email_origin IN (1, 2, 3)),
    status SMALLINT NOT NULL CHECK (status IN (1, 2, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    administrator BOOLEAN NOT NULL,
    password_hash TEXT,
    -- An upstream identity was bound to it once; then an address alone never chooses it again.
    ever_linked BOOLEAN NOT NULL,
    -- It was made by an upstream sign-in and gets no scope that writes, until a second proof.
    quarantined BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    status_changed_at BIGINT NOT NULL,
    CHECK (email_key IS NULL OR email IS NOT NULL)
);
CREATE UNIQUE INDEX users_username ON users (tenant_id, username) WHERE status <> 4;
CREATE UNIQUE INDEX users_email_key ON users (tenant_id, email_key) WHERE status <> 4 AND email_key IS NOT NULL;

-- An upstream identity provider: OpenID Connect (1) or GitHub (2).
CREATE TABLE providers (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2)),
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    sealed_client_secret BYTEA,
    -- The administrator's rules, as JSON.
    settings TEXT NOT NULL,
    -- It is described in the configuration, which is where it is changed.
    configured BOOLEAN NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX providers_slug ON providers (tenant_id, slug) WHERE status <> 4;

-- Who a person is at an upstream provider. Issuer and subject are two columns, compared byte for byte. Both are empty in a link that was
-- imported without them, until its person comes. Its owner never changes.
CREATE TABLE links (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    provider_id BYTEA NOT NULL REFERENCES providers (id),
    user_id BYTEA NOT NULL REFERENCES users (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- What the person recognises it by.
    display TEXT NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 3, 4)),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    created_at BIGINT NOT NULL,
    CHECK ((issuer = '') = (subject = ''))
);
CREATE UNIQUE INDEX links_subject ON links (provider_id, issuer, subject) WHERE status <> 4 AND subject <> '';
CREATE UNIQUE INDEX links_empty ON links (provider_id, user_id) WHERE status <> 4 AND subject = '';
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
    -- May people put it into their personal access tokens?
    personal BOOLEAN NOT NULL,
    -- Whoever has it changes nothing; all others are withheld from accounts in quarantine.
    read_only BOOLEAN NOT NULL,
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
    -- The resource server that it serves: tokens meant for that one it may exchange.
    serves TEXT,
    implicit_consent BOOLEAN NOT NULL,
    session_bound BOOLEAN NOT NULL,
    -- Only its members may use it.
    restricted BOOLEAN NOT NULL,
    access_token_lifetime BIGINT CHECK (access_token_lifetime > 0),
    refresh_lifetime BIGINT CHECK (refresh_lifetime > 0),
    created_at BIGINT NOT NULL,
    CHECK (confidential = (secret_digest IS NOT NULL)),
    CHECK ((secret_digest IS NULL) = (secret_key_id IS NULL)),
    CHECK ((old_secret_digest IS NULL) = (old_secret_expires_at IS NULL)),
    CHECK ((old_secret_digest IS NULL) = (old_secret_key_id IS NULL))
);
CREATE UNIQUE INDEX clients_client_id ON clients (client_id) WHERE status <> 4;

-- Who may use a restricted client.
CREATE TABLE client_members (
    client_id BYTEA NOT NULL REFERENCES clients (id),
    user_id BYTEA NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, user_id)
);

-- The chain of life: session (1), approval (2), family (3), client grant (4), personal access token (5), exchange (6). A node remembers
-- the epochs of its birth and never outlives its binding parent; a recorded parent is provenance only. The columns that end in
-- _since are the births of the oldest of each kind that bind it, which the tenant's maxima are counted from.
CREATE TABLE nodes (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2, 3, 4, 5, 6)),
    tenant_id BYTEA NOT NULL,
    user_id BYTEA REFERENCES users (id),
    client_id BYTEA REFERENCES clients (id),
    link_id BYTEA REFERENCES links (id),
    parent_id BYTEA,
    parent_expires_at BIGINT,
    recorded_parent_id BYTEA,
    parent_token_id BYTEA,
    -- The client of the binding parent, where it is another one: when it dies, death is pushed down from there.
    parent_client_id BYTEA REFERENCES clients (id),
    session_id BYTEA,
    installation_epoch BIGINT NOT NULL,
    tenant_epoch BIGINT NOT NULL,
    user_epoch BIGINT,
    client_epoch BIGINT,
    link_epoch BIGINT,
    provider_epoch BIGINT,
    era BIGINT NOT NULL,
    access_token_since BIGINT,
    refresh_family_since BIGINT,
    session_since BIGINT,
    approval_since BIGINT,
    personal_access_token_since BIGINT,
    -- When the person last proved who they are; what is derived inherits it.
    authenticated_at BIGINT,
    -- Who acts for whom, as the act claim says it (RFC 8693 section 4.1).
    actor TEXT,
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
    CHECK (kind <> 4 OR (client_id IS NOT NULL AND user_id IS NULL AND parent_id IS NULL)),
    CHECK (kind <> 5 OR (user_id IS NOT NULL AND client_id IS NULL
                         AND (parent_id IS NOT NULL OR recorded_parent_id IS NOT NULL))),
    CHECK (kind <> 6 OR (parent_id IS NOT NULL AND parent_token_id IS NOT NULL AND client_id IS NOT NULL)),
    -- Whatever a token begot is bound to the token's node.
    CHECK (parent_token_id IS NULL OR parent_id IS NOT NULL),
    CHECK (parent_client_id IS NULL OR parent_id IS NOT NULL),
    CHECK (kind = 6 OR actor IS NULL)
);
CREATE INDEX nodes_parent ON nodes (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX nodes_parent_token ON nodes (parent_token_id) WHERE parent_token_id IS NOT NULL;
CREATE INDEX nodes_parent_client ON nodes (parent_client_id) WHERE parent_client_id IS NOT NULL;
CREATE INDEX nodes_user ON nodes (user_id, kind) WHERE user_id IS NOT NULL;
CREATE INDEX nodes_client ON nodes (client_id, kind) WHERE client_id IS NOT NULL;
CREATE INDEX nodes_expiry ON nodes (expires_at);

CREATE TABLE sessions (
    node_id BYTEA NOT NULL PRIMARY KEY REFERENCES nodes (id),
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    idle_lifetime BIGINT NOT NULL CHECK (idle_lifetime > 0),
    idle_at BIGINT NOT NULL,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    -- The session upstream that it was born in, as its provider names it; and whether what it approves is bound to it, because it ends
    -- with that one.
    upstream_sid TEXT,
    upstream_bound BOOLEAN NOT NULL
);
CREATE INDEX sessions_upstream_sid ON sessions (upstream_sid) WHERE upstream_sid IS NOT NULL;

CREATE TABLE approvals (
    node_id BYTEA NOT NULL PRIMARY KEY REFERENCES nodes (id),
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    -- Asked (1), remembered (2), implicit (3), device (4).
    basis SMALLINT NOT NULL CHECK (basis IN (1, 2, 3, 4)),
    -- For a device: the lifetime that it asked for its tokens, and where it asked from.
    requested_lifetime BIGINT CHECK (requested_lifetime > 0),
    device_ip TEXT,
    device_user_agent TEXT,
    CHECK (basis = 4 OR (requested_lifetime IS NULL AND device_ip IS NULL AND device_user_agent IS NULL))
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

-- What a person called a token of their own.
CREATE TABLE personal_access_tokens (
    node_id BYTEA NOT NULL PRIMARY KEY REFERENCES nodes (id),
    name TEXT NOT NULL
);

-- A device that waits for its approval (RFC 8628), and afterwards what is left of it: enough to tell a replay.
CREATE TABLE device_codes (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    client_id BYTEA NOT NULL REFERENCES clients (id),
    client_epoch BIGINT NOT NULL,
    installation_epoch BIGINT NOT NULL,
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    code_challenge TEXT,
    poll_interval BIGINT NOT NULL CHECK (poll_interval > 0),
    polled_at BIGINT,
    approval_id BYTEA,
    approval_expires_at BIGINT,
    denied_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    FOREIGN KEY (approval_id, approval_expires_at) REFERENCES nodes (id, expires_at),
    CHECK (expires_at > created_at),
    CHECK ((approval_id IS NULL) = (approval_expires_at IS NULL)),
    CHECK (approval_id IS NULL OR denied_at IS NULL),
    CHECK (consumed_at IS NULL OR approval_id IS NOT NULL)
);
CREATE INDEX device_codes_client ON device_codes (client_id, expires_at);
CREATE INDEX device_codes_approval ON device_codes (approval_id) WHERE approval_id IS NOT NULL;
CREATE INDEX device_codes_expiry ON device_codes (expires_at);

-- What such a device asks for. The row is gone as soon as somebody decided about it, and the user code with it.
CREATE TABLE device_requests (
    device_code_id BYTEA NOT NULL PRIMARY KEY REFERENCES device_codes (id),
    user_code_digest BYTEA NOT NULL CHECK (length(user_code_digest) = 32),
    user_code_key_id SMALLINT NOT NULL,
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    requested_lifetime BIGINT CHECK (requested_lifetime > 0),
    ip TEXT,
    user_agent TEXT,
    expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX device_requests_user_code ON device_requests (user_code_digest);
CREATE INDEX device_requests_expiry ON device_requests (expires_at);

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

-- Somebody is on the way to an upstream provider and back: to sign in (1), to add an identity to the account of a session (2), or to
-- accept an invitation (3). The secret is the state parameter; nonce and PKCE verifier are sealed; the browser is known by a cookie.
CREATE TABLE upstream_logins (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    provider_id BYTEA NOT NULL REFERENCES providers (id),
    provider_epoch BIGINT NOT NULL,
    purpose SMALLINT NOT NULL CHECK (purpose IN (1, 2, 3)),
    session_id BYTEA,
    mailed_link_id BYTEA,
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    browser_tag BYTEA NOT NULL CHECK (length(browser_tag) = 32),
    sealed_secrets BYTEA NOT NULL,
    -- The person must prove anew who they are.
    reauthenticate BOOLEAN NOT NULL,
    return_to TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    CHECK (expires_at > created_at),
    CHECK ((purpose = 2) = (session_id IS NOT NULL)),
    CHECK ((purpose = 3) = (mailed_link_id IS NOT NULL))
);
CREATE INDEX upstream_logins_expiry ON upstream_logins (expires_at);

-- An identity that was proved upstream and waits until its person proves that the account is theirs, too: by the mailbox, by a live
-- session of the account, or, when they began on their account page (session_id), by saying so. The identity is sealed.
CREATE TABLE link_proofs (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BYTEA NOT NULL REFERENCES tenants (id),
    provider_id BYTEA NOT NULL REFERENCES providers (id),
    provider_epoch BIGINT NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id),
    user_epoch BIGINT NOT NULL,
    installation_epoch BIGINT NOT NULL,
    session_id BYTEA,
    browser_tag BYTEA NOT NULL CHECK (length(browser_tag) = 32),
    sealed_identity BYTEA NOT NULL,
    return_to TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    CHECK (expires_at > created_at)
);
CREATE INDEX link_proofs_expiry ON link_proofs (expires_at);

-- Logout tokens that were obeyed: each is, once.
CREATE TABLE upstream_logouts (
    provider_id BYTEA NOT NULL REFERENCES providers (id),
    token_tag BYTEA NOT NULL CHECK (length(token_tag) = 32),
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (provider_id, token_tag)
);
CREATE INDEX upstream_logouts_expiry ON upstream_logouts (expires_at);

-- A link sent by mail, or handed over: an invitation (1), a password reset (2), the undoing of an approval (3), the proof that an account
-- is whose identity wants to be bound to it (4), the proof of an address (5), and the undoing of a link made (6), of a link taken
-- away (7) and of a changed address (8, with the old one).
CREATE TABLE mailed_links (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id BYTEA NOT NULL REFERENCES users (id),
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2, 3, 4, 5, 6, 7, 8)),
    node_id BYTEA,
    proof_id BYTEA,
    link_id BYTEA,
    address TEXT,
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    secret_key_id SMALLINT NOT NULL,
    user_epoch BIGINT NOT NULL,
    installation_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    CHECK (expires_at > created_at),
    CHECK ((kind = 3) = (node_id IS NOT NULL)),
    CHECK ((kind = 4) = (proof_id IS NOT NULL)),
    CHECK ((kind IN (6, 7)) = (link_id IS NOT NULL)),
    CHECK ((kind IN (5, 8)) = (address IS NOT NULL))
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

-- When a token, a node, or anything of a person (under the person's id) was last used, from where, at which resource server, and the
-- epoch of its user that the use saw. Beside the rows it speaks of and without a foreign key to them, for it is written once a minute.
CREATE TABLE last_uses (
    credential_id BYTEA NOT NULL PRIMARY KEY CHECK (length(credential_id) = 16),
    used_at BIGINT NOT NULL,
    user_id BYTEA,
    user_epoch BIGINT,
    ip TEXT,
    resource_server_id BYTEA,
    CHECK ((user_id IS NULL) = (user_epoch IS NULL))
);

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
    -- session (2), client secret (3), bearer token (4), authorization code (5), refresh token (6), mailed link (7), device
    -- code (8) and upstream sign-in (9) name the credential; nobody (0) and the command line (1) have none.
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

INSERT INTO tenants (id, slug, name, status, epoch, era, device_flow, created_at) VALUES ('\x00000000000000000000000000000000', 'default', 'Curfew', 1, 1, 1, TRUE, 0);
INSERT INTO limit_eras (tenant_id, era) VALUES ('\x00000000000000000000000000000000', 1);
