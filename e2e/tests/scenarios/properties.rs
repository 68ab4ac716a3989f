//! The three properties for which people choose IAM roles for service accounts on
//! EKS, proven here: `docs/least-privilege.md`, `docs/credential-isolation.md`,
//! `docs/auditability.md`. The first is the matrix and `grants.rs`.

mod auditability;
mod credential_isolation;
