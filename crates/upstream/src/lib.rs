//! Signing in through an upstream identity provider.
