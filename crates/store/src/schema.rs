//! The one schema, in types that both backends share: BLOB or BYTEA identifiers, BIGINT seconds, TEXT lists.

diesel::table! {
    installation (id) {
        id -> SmallInt,
        epoch -> BigInt,
        device_flow -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    key_checks (key_id) {
        key_id -> SmallInt,
        digest -> Binary,
    }
}

diesel::table! {
    tenants (id) {
        id -> Binary,
        slug -> Text,
        name -> Text,
        status -> SmallInt,
        epoch -> BigInt,
        era -> BigInt,
        device_flow -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    limit_eras (tenant_id, era) {
        tenant_id -> Binary,
        era -> BigInt,
        access_token -> Nullable<BigInt>,
        refresh_family -> Nullable<BigInt>,
        session -> Nullable<BigInt>,
        approval -> Nullable<BigInt>,
        personal_access_token -> Nullable<BigInt>,
    }
}

diesel::table! {
    users (id) {
        id -> Binary,
        tenant_id -> Binary,
        username -> Text,
        name -> Text,
        email -> Nullable<Text>,
        email_key -> Nullable<Text>,
        email_origin -> SmallInt,
        status -> SmallInt,
        epoch -> BigInt,
        administrator -> Bool,
        password_hash -> Nullable<Text>,
        ever_linked -> Bool,
        quarantined -> Bool,
        created_at -> BigInt,
        status_changed_at -> BigInt,
    }
}

diesel::table! {
    providers (id) {
        id -> Binary,
        tenant_id -> Binary,
        slug -> Text,
        name -> Text,
        kind -> SmallInt,
        issuer -> Text,
        client_id -> Text,
        sealed_client_secret -> Nullable<Binary>,
        settings -> Text,
        configured -> Bool,
        status -> SmallInt,
        epoch -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    links (id) {
        id -> Binary,
        provider_id -> Binary,
        user_id -> Binary,
        issuer -> Text,
        subject -> Text,
        display -> Text,
        status -> SmallInt,
        epoch -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    resource_servers (id) {
        id -> Binary,
        tenant_id -> Binary,
        resource_id -> Text,
        identifier -> Text,
        name -> Text,
        status -> SmallInt,
        epoch -> BigInt,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        old_secret_digest -> Nullable<Binary>,
        old_secret_key_id -> Nullable<SmallInt>,
        old_secret_expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    scopes (tenant_id, name) {
        tenant_id -> Binary,
        name -> Text,
        description -> Text,
        resource_server_id -> Nullable<Binary>,
        max_lifetime -> Nullable<BigInt>,
        personal -> Bool,
        read_only -> Bool,
    }
}

diesel::table! {
    clients (id) {
        id -> Binary,
        tenant_id -> Binary,
        client_id -> Text,
        name -> Text,
        status -> SmallInt,
        epoch -> BigInt,
        confidential -> Bool,
        secret_digest -> Nullable<Binary>,
        secret_key_id -> Nullable<SmallInt>,
        old_secret_digest -> Nullable<Binary>,
        old_secret_key_id -> Nullable<SmallInt>,
        old_secret_expires_at -> Nullable<BigInt>,
        grant_types -> Text,
        redirect_uris -> Text,
        post_logout_redirect_uris -> Text,
        origins -> Text,
        scopes -> Text,
        resources -> Text,
        serves -> Nullable<Text>,
        implicit_consent -> Bool,
        session_bound -> Bool,
        restricted -> Bool,
        access_token_lifetime -> Nullable<BigInt>,
        refresh_lifetime -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    nodes (id) {
        id -> Binary,
        kind -> SmallInt,
        tenant_id -> Binary,
        user_id -> Nullable<Binary>,
        client_id -> Nullable<Binary>,
        link_id -> Nullable<Binary>,
        parent_id -> Nullable<Binary>,
        parent_expires_at -> Nullable<BigInt>,
        recorded_parent_id -> Nullable<Binary>,
        parent_token_id -> Nullable<Binary>,
        parent_client_id -> Nullable<Binary>,
        session_id -> Nullable<Binary>,
        installation_epoch -> BigInt,
        tenant_epoch -> BigInt,
        user_epoch -> Nullable<BigInt>,
        client_epoch -> Nullable<BigInt>,
        link_epoch -> Nullable<BigInt>,
        provider_epoch -> Nullable<BigInt>,
        era -> BigInt,
        access_token_since -> Nullable<BigInt>,
        refresh_family_since -> Nullable<BigInt>,
        session_since -> Nullable<BigInt>,
        approval_since -> Nullable<BigInt>,
        personal_access_token_since -> Nullable<BigInt>,
        authenticated_at -> Nullable<BigInt>,
        actor -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ended_cause -> Nullable<SmallInt>,
    }
}

diesel::table! {
    sessions (node_id) {
        node_id -> Binary,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        authenticated_at -> BigInt,
        idle_lifetime -> BigInt,
        idle_at -> BigInt,
        ip -> Text,
        user_agent -> Text,
        upstream_sid -> Nullable<Text>,
        upstream_bound -> Bool,
    }
}

diesel::table! {
    approvals (node_id) {
        node_id -> Binary,
        scopes -> Text,
        audiences -> Text,
        basis -> SmallInt,
        requested_lifetime -> Nullable<BigInt>,
        device_ip -> Nullable<Text>,
        device_user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    families (node_id) {
        node_id -> Binary,
        scopes -> Text,
        audiences -> Text,
        generation -> BigInt,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        previous_generation -> Nullable<BigInt>,
        previous_digest -> Nullable<Binary>,
        previous_key_id -> Nullable<SmallInt>,
        rotated_at -> BigInt,
        grace_used -> Bool,
        idle_at -> BigInt,
    }
}

diesel::table! {
    tokens (id) {
        id -> Binary,
        node_id -> Binary,
        node_expires_at -> BigInt,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        scopes -> Text,
        audiences -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ended_cause -> Nullable<SmallInt>,
    }
}

diesel::table! {
    codes (id) {
        id -> Binary,
        approval_id -> Binary,
        approval_expires_at -> BigInt,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        redirect_uri -> Text,
        redirect_uri_sent -> Bool,
        code_challenge -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    client_members (client_id, user_id) {
        client_id -> Binary,
        user_id -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    personal_access_tokens (node_id) {
        node_id -> Binary,
        name -> Text,
    }
}

diesel::table! {
    device_codes (id) {
        id -> Binary,
        tenant_id -> Binary,
        client_id -> Binary,
        client_epoch -> BigInt,
        installation_epoch -> BigInt,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        code_challenge -> Nullable<Text>,
        poll_interval -> BigInt,
        polled_at -> Nullable<BigInt>,
        approval_id -> Nullable<Binary>,
        approval_expires_at -> Nullable<BigInt>,
        denied_at -> Nullable<BigInt>,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    device_requests (device_code_id) {
        device_code_id -> Binary,
        user_code_digest -> Binary,
        user_code_key_id -> SmallInt,
        scopes -> Text,
        audiences -> Text,
        requested_lifetime -> Nullable<BigInt>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        expires_at -> BigInt,
    }
}

diesel::table! {
    consents (user_id, client_id) {
        user_id -> Binary,
        client_id -> Binary,
        scopes -> Text,
        audiences -> Text,
        user_epoch -> BigInt,
        client_epoch -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    upstream_logins (id) {
        id -> Binary,
        tenant_id -> Binary,
        provider_id -> Binary,
        provider_epoch -> BigInt,
        purpose -> SmallInt,
        session_id -> Nullable<Binary>,
        mailed_link_id -> Nullable<Binary>,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        browser_tag -> Binary,
        sealed_secrets -> Binary,
        reauthenticate -> Bool,
        return_to -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    link_proofs (id) {
        id -> Binary,
        tenant_id -> Binary,
        provider_id -> Binary,
        provider_epoch -> BigInt,
        user_id -> Binary,
        user_epoch -> BigInt,
        installation_epoch -> BigInt,
        session_id -> Nullable<Binary>,
        browser_tag -> Binary,
        sealed_identity -> Binary,
        return_to -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    upstream_logouts (provider_id, token_tag) {
        provider_id -> Binary,
        token_tag -> Binary,
        expires_at -> BigInt,
    }
}

diesel::table! {
    mailed_links (id) {
        id -> Binary,
        user_id -> Binary,
        kind -> SmallInt,
        node_id -> Nullable<Binary>,
        proof_id -> Nullable<Binary>,
        link_id -> Nullable<Binary>,
        address -> Nullable<Text>,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        user_epoch -> BigInt,
        installation_epoch -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    bootstraps (id) {
        id -> SmallInt,
        secret_digest -> Binary,
        secret_key_id -> SmallInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    mails (id) {
        id -> Binary,
        recipient -> Text,
        sealed_content -> Binary,
        attempts -> Integer,
        next_attempt_at -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    rate_limits (bucket) {
        bucket -> Text,
        used -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    last_uses (credential_id) {
        credential_id -> Binary,
        used_at -> BigInt,
        user_id -> Nullable<Binary>,
        user_epoch -> Nullable<BigInt>,
        ip -> Nullable<Text>,
        resource_server_id -> Nullable<Binary>,
    }
}

diesel::table! {
    audit (id) {
        id -> Binary,
        at -> BigInt,
        event -> SmallInt,
        outcome -> SmallInt,
        tenant_id -> Nullable<Binary>,
        user_id -> Nullable<Binary>,
        client_id -> Nullable<Binary>,
        node_id -> Nullable<Binary>,
        token_id -> Nullable<Binary>,
        authenticated_by -> SmallInt,
        credential_id -> Nullable<Binary>,
        request_id -> Nullable<Binary>,
        expires_at -> Nullable<BigInt>,
        scopes -> Nullable<Text>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        detail -> Nullable<Text>,
        chain_id -> Binary,
        sequence -> BigInt,
    }
}

diesel::table! {
    audit_links (chain_id, sequence) {
        chain_id -> Binary,
        sequence -> BigInt,
        key_id -> SmallInt,
        created_at -> BigInt,
        row_tags -> Binary,
        seen_links -> Binary,
        digest -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    installation,
    key_checks,
    tenants,
    limit_eras,
    users,
    providers,
    links,
    resource_servers,
    scopes,
    clients,
    nodes,
    sessions,
    approvals,
    families,
    tokens,
    codes,
    client_members,
    personal_access_tokens,
    device_codes,
    device_requests,
    consents,
    upstream_logins,
    link_proofs,
    upstream_logouts,
    mailed_links,
    bootstraps,
    mails,
    rate_limits,
    last_uses,
    audit,
    audit_links,
);
