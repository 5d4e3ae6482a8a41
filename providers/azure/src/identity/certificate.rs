//! A client certificate, as a signed client assertion.
//!
//! The assertion is a JWT of ten minutes, signed RS256 by the TLS provider the process has anyway
//! (azure_identity's own needs OpenSSL). Its form is Entra's "certificate credentials": the header
//! names the certificate by its SHA-256 thumbprint, the claims name the client and the token endpoint.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use azure_core::base64::encode_url_safe;
use azure_core::error::{ErrorKind, ResultExt};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use serde_json::json;
use sha2::{Digest, Sha256};

const LIFETIME_SECONDS: u64 = 600;

/// A certificate with its key.
pub(super) struct Certificate {
    key: Arc<dyn SigningKey>,
    thumbprint: String,
    client: String,
    token_url: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

/// The most that a certificate with its chain and key has.
const MOST_BYTES: usize = 1 << 20;

impl Certificate {
    /// Reads a PEM file that holds the certificate and its RSA key, unencrypted.
    pub(super) fn read(path: &Path, client: &str, token_url: &str) -> azure_core::Result<Self> {
        let about = |what: &str| format!("{what} in {}", path.display());
        let pem = privlink_file::read(path, MOST_BYTES)
            .with_context_fn(ErrorKind::Credential, || {
                format!("cannot read the certificate file {}", path.display())
            })?;
        let certificate = CertificateDer::from_pem_slice(&pem)
            .with_context_fn(ErrorKind::Credential, || about("no certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .with_context_fn(ErrorKind::Credential, || about("no unencrypted private key"))?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key)
            .with_context_fn(ErrorKind::Credential, || about("no usable private key"))?;
        Ok(Self {
            key,
            thumbprint: encode_url_safe(Sha256::digest(&certificate)),
            client: client.to_owned(),
            token_url: token_url.to_owned(),
        })
    }

    fn assertion(&self, now: u64, id: &str) -> azure_core::Result<String> {
        let header = json!({"alg": "RS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": self.token_url,
            "iss": self.client,
            "sub": self.client,
            "jti": id,
            "nbf": now,
            "iat": now,
            "exp": now.saturating_add(LIFETIME_SECONDS),
        });
        let signed = format!(
            "{}.{}",
            encode_url_safe(header.to_string()),
            encode_url_safe(claims.to_string())
        );
        let signer =
            self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or_else(|| {
                azure_core::Error::with_message(ErrorKind::Credential, "the key is not an RSA key")
            })?;
        let signature = signer
            .sign(signed.as_bytes())
            .with_context(ErrorKind::Credential, "the assertion could not be signed")?;
        Ok(format!("{signed}.{}", encode_url_safe(signature)))
    }
}

#[async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.assertion(now, &azure_core::Uuid::new_v4().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/test-only-certificate.pem");

    /// The expected text was signed by `openssl dgst -sha256 -sign`; RS256 is deterministic.
    #[test]
    fn the_assertion_is_what_openssl_signs() {
        let url = "https://login.example.com/t/oauth2/v2.0/token";
        let certificate = Certificate::read(PATH.as_ref(), "c", url).unwrap();
        let expected = include_str!("../../tests/data/test-only-assertion.txt").trim();
        assert_eq!(certificate.assertion(1000, "id-1").unwrap(), expected);
    }

    #[test]
    fn a_file_without_a_key_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.pem");
        let pem = std::fs::read_to_string(PATH).unwrap();
        std::fs::write(&path, pem.split("-----BEGIN PRIVATE KEY").next().unwrap()).unwrap();
        let error = Certificate::read(&path, "c", "https://x").unwrap_err();
        assert!(error.to_string().contains("no unencrypted private key"), "{error}");
        let error = Certificate::read("/nowhere.pem".as_ref(), "c", "https://x").unwrap_err();
        assert!(error.to_string().contains("/nowhere.pem"), "{error}");
    }
}
