//! Choices of the wire, as enums that are matched without a wildcard.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

impl GrantType {
    /// The short name, without the prefix that extension grants carry on the wire (RFC 6749 §4.5).
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceCode => "device_code",
            Self::TokenExchange => "token_exchange",
            Self::AuthorizationCode | Self::RefreshToken | Self::ClientCredentials => self.as_str(),
        }
    }
}

words! {
    /// A scope of our own API: what a person's token may do to that person's account. Tenants need not add them.
    OwnScope {
        AccountRead = "curfew:account:read",
        AccountWrite = "curfew:account:write",
        ApproveDevices = "curfew:devices:approve",
        CreateTokens = "curfew:tokens:create",
        EndUsers = "curfew:users:end",
    }
    /// `grant_type` of the token endpoint.
    GrantType {
        AuthorizationCode = "authorization_code",
        RefreshToken = "refresh_token",
        ClientCredentials = "client_credentials",
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
        TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange",
    }
    /// How a client proves itself (RFC 7591 §2 names).
    ClientAuthMethod {
        ClientSecretBasic = "client_secret_basic",
        ClientSecretPost = "client_secret_post",
        None = "none",
    }
    /// How an upstream provider may sign a token (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). Neither `none` nor a symmetric
    /// algorithm is one: a key that the provider publishes would be the secret.
    SignatureAlgorithm {
        Rs256 = "RS256",
        Rs384 = "RS384",
        Rs512 = "RS512",
        Ps256 = "PS256",
        Ps384 = "PS384",
        Ps512 = "PS512",
        Es256 = "ES256",
        Es384 = "ES384",
        EdDsa = "EdDSA",
        Ed25519 = "Ed25519",
    }
    /// How the authorization response travels.
    ResponseMode {
        Query = "query",
        FormPost = "form_post",
    }
}
impl OwnScope {
    /// Does whoever has it change nothing?
    pub const fn is_read_only(self) -> bool {
        match self {
            Self::AccountRead => true,
            Self::AccountWrite | Self::ApproveDevices | Self::CreateTokens | Self::EndUsers => {
                false
            }
        }
    }
}
