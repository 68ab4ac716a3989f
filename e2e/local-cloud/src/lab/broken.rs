//! How a mistake is made, and how it is mended.

use super::target::{Place, Target};
use super::{Mistake, Shared};
use crate::cluster::TokenRequest;
use crate::directory::{ArmError, CredentialText, FederatedCredential};
use crate::entra::EXCHANGE_AUDIENCE;
use crate::model::Grant;
use crate::names;

/// A mistake that was made.
pub(super) struct Broken {
    pub(super) mistake: Mistake,
    pub(super) identity: String,
    undo: Undo,
}

/// What mends it.
enum Undo {
    /// This is put back.
    Credential(FederatedCredential),
    /// This is assigned again.
    Grant(Grant),
    /// The pod gets a new token: until then it holds this one.
    Token(String),
    /// This is enabled again.
    Secret {
        vault: String,
        secret: String,
        version: String,
    },
}

impl Broken {
    /// The token that the pod holds in place of the one that kubelet projects.
    pub(super) fn token_of(&self, identity: &str) -> Option<&str> {
        match &self.undo {
            Undo::Token(token) if self.identity == identity => Some(token),
            _ => None,
        }
    }
}

impl Shared {
    /// Makes a mistake.
    pub(super) async fn make(&self, mistake: Mistake, identity: &str) -> Result<Broken, String> {
        let target = self.target_of(identity)?;
        let undo = match mistake {
            Mistake::WrongSubject => {
                self.change_trust(&target, |trust| trust.subject.push_str("-typo"))
                    .await?
            }
            Mistake::DropIssuerSlash => {
                self.change_trust(&target, |trust| {
                    trust.issuer = trust.issuer.trim_end_matches('/').to_owned();
                })
                .await?
            }
            Mistake::WrongAudience => {
                self.change_trust(&target, |trust| {
                    // Two letters changed places.
                    trust.audience = trust.audience.replace("Token", "Tokne");
                })
                .await?
            }
            Mistake::RevokeRole => {
                if !self.planes.gate.revoke(&target.grant) {
                    return Err("the role is not assigned at the moment".to_owned());
                }
                Undo::Grant(target.grant)
            }
            Mistake::ExpireToken => Undo::Token(self.planes.cluster.sign(&TokenRequest {
                namespace: target.account.namespace,
                service_account: target.account.name,
                audience: EXCHANGE_AUDIENCE.to_owned(),
                lifetime_seconds: 3600,
                age_seconds: 2 * 3600,
            })),
            Mistake::RotateKeys => self.rotate_keys(&target).await?,
            Mistake::DisableSecretVersion => self.disable_version(identity, &target)?,
        };
        Ok(Broken {
            mistake,
            identity: identity.to_owned(),
            undo,
        })
    }

    /// Mends what is broken. What cannot be mended now stays broken.
    pub(super) async fn mend(&self, broken: &mut Option<Broken>) -> Result<(), String> {
        let Some(Broken { identity, undo, .. }) = broken else {
            return Ok(());
        };
        match undo {
            Undo::Credential(credential) => self.write_trust(identity, credential).await?,
            Undo::Grant(grant) => self.planes.gate.grant(grant.clone())?,
            Undo::Token(_) => {}
            Undo::Secret {
                vault,
                secret,
                version,
            } => {
                if let Some(vault) = self.planes.vaults.get(vault) {
                    vault.set_enabled(secret, version, true);
                }
            }
        }
        *broken = None;
        Ok(())
    }

    async fn change_trust(
        &self,
        target: &Target,
        change: impl FnOnce(&mut FederatedCredential),
    ) -> Result<Undo, String> {
        let identity = &target.grant.identity;
        let directory = self.planes.gate.directory();
        let standing = directory.credentials(identity).map_err(said)?;
        let subject = target.account.subject();
        let credential = standing
            .into_iter()
            .find(|trust| trust.issuer == names::cluster_issuer() && trust.subject == subject);
        let credential = credential.ok_or_else(|| {
            format!("no federated credential of `{identity}` trusts {subject} at the moment")
        })?;
        let mut wrong = credential.clone();
        change(&mut wrong);
        self.write_trust(identity, &wrong).await?;
        Ok(Undo::Credential(credential))
    }

    async fn write_trust(
        &self,
        identity: &str,
        credential: &FederatedCredential,
    ) -> Result<(), String> {
        let FederatedCredential {
            name,
            issuer,
            subject,
            audience,
        } = credential.clone();
        let text = CredentialText {
            issuer,
            subject,
            audiences: vec![audience],
        };
        let directory = self.planes.gate.directory();
        let written = directory.put_credential(identity, &name, text).await;
        written.map(|_| ()).map_err(said)
    }

    /// Twice, so that the key that signed the pod's token is published no more. Entra
    /// ID asks for the keys again, as it does in time.
    async fn rotate_keys(&self, target: &Target) -> Result<Undo, String> {
        let token = self.projected(&target.account)?;
        let (ring, now) = (self.planes.cluster_keys.clone(), self.planes.clock.now());
        let rotated = tokio::task::spawn_blocking(move || {
            for _ in 0..2 {
                ring.rotate_with_overlap(now, time::Duration::DAY);
            }
        });
        rotated
            .await
            .map_err(|error| format!("no key could be made: {error}"))?;
        self.planes.entra.forget_keys_of(&names::cluster_issuer());
        // Pods that are not restarted meet it too, but for those that kubelet serves.
        self.planes.cluster.renew_tokens();
        Ok(Undo::Token(token))
    }

    fn disable_version(&self, identity: &str, target: &Target) -> Result<Undo, String> {
        let Place::Secret { vault, secret, .. } = &target.place else {
            return Err(format!(
                "`{identity}` reads no secret; choose an identity whose fifth step is one"
            ));
        };
        let plane = self.planes.vaults.get(vault);
        let version = plane.and_then(|plane| plane.current_version(secret));
        let (Some(plane), Some(version)) = (plane, version) else {
            return Err(format!(
                "`{secret}` has no version that is enabled at the moment"
            ));
        };
        plane.set_enabled(secret, &version, false);
        Ok(Undo::Secret {
            vault: vault.clone(),
            secret: secret.clone(),
            version,
        })
    }
}

fn said(error: ArmError) -> String {
    let ArmError { code, message, .. } = error;
    format!("{code}: {message}")
}
