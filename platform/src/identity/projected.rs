//! A projected token for another service of the cluster, as it goes into a
//! request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;

use super::{IdentityError, read_token_file};

/// A token file of this pod. The token is read for each request and never kept.
#[derive(Debug, Clone)]
pub struct ProjectedToken {
    path: Arc<Path>,
}

impl ProjectedToken {
    /// The token in this file.
    pub fn new(path: PathBuf) -> Self {
        Self { path: path.into() }
    }

    /// The value of the `Authorization` header of a call with this token. It is
    /// marked sensitive, which keeps it out of logs.
    pub async fn authorization(&self) -> Result<HeaderValue, IdentityError> {
        let token = read_token_file(&self.path).await?;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| IdentityError::NotAToken(self.path.to_path_buf()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_header_is_read_anew_and_never_shown() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let token = ProjectedToken::new(file.path().to_owned());
        std::fs::write(file.path(), "first").expect("a token");
        token.authorization().await.expect("the first token");
        std::fs::write(file.path(), "second\n").expect("the kubelet's rotation");

        let value = token.authorization().await.expect("the second token");

        assert_eq!(value, "Bearer second");
        assert!(!format!("{value:?}").contains("second"));
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let token = ProjectedToken::new(PathBuf::from("/nowhere/token"));

        let error = token.authorization().await.expect_err("no file");

        assert_eq!(
            error.to_string(),
            "cannot read the service-account token in /nowhere/token"
        );
    }
}
