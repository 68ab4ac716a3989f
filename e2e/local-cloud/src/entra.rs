//! Entra ID: the tenant, the token endpoint, and what it trusts.

pub(crate) mod access_token;
