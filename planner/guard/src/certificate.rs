//! The certificate that is shown: exchanged while it serves, and kept where the next one is no good.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::Error;

/// The most bytes of a file in PEM.
const MOST_BYTES: usize = 1 << 20;

/// A certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The certificate and those that vouch for it.
    pub(crate) certificate: String,
    /// The key.
    pub(crate) key: String,
}

impl Pair {
    /// Reads both files.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let text = |path: &Path| {
            privlink_file::read_text(path, MOST_BYTES)
                .map_err(|why| format!("{}: {why}", path.display()))
        };
        let pair = Self { certificate: text(certificate)?, key: text(key)? };
        privlink_http::secret::hold(&pair.key);
        Ok(pair)
    }

    /// Both as they are used; a key that is another certificate's is refused.
    fn certified(&self) -> Result<CertifiedKey, String> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(self.certificate.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|why| format!("the certificate: {why}"))?;
        if chain.is_empty() {
            return Err("the certificate: there is none in it".to_owned());
        }
        // PKCS#8, PKCS#1 and SEC1 alike: tools that issue certificates change their mind.
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|why| format!("the key: {why}"))?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key)
            .map_err(|why| format!("the key: {why}"))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(certified)
            }
            Err(why) => Err(format!("the key is another certificate's: {why}")),
        }
    }
}

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Certificates(RwLock<Arc<CertifiedKey>>);

impl Certificates {
    /// Begins with a pair.
    pub(crate) fn new(pair: &Pair) -> Result<Arc<Self>, Error> {
        let certified = pair.certified().map_err(Error::Certificate)?;
        Ok(Arc::new(Self(RwLock::new(Arc::new(certified)))))
    }

    /// Goes on with another pair, from the next connection on; with the old one, if that is no good.
    pub(crate) fn exchange(&self, pair: &Pair) -> Result<(), String> {
        let certified = Arc::new(pair.certified()?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// TLS 1.2 and newer with the certificate in use. Only who has a certificate of the authority may call, if one is named.
pub(crate) fn config(
    certificates: Arc<Certificates>,
    client_authority: Option<&Path>,
) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let why = |error: String| Error::Certificate(error);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| why(error.to_string()))?;
    let builder = match client_authority {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let shown = path.display();
            let text = privlink_file::read_text(path, MOST_BYTES)
                .map_err(|error| why(format!("{shown}: {error}")))?;
            let mut roots = RootCertStore::empty();
            for root in CertificateDer::pem_slice_iter(text.as_bytes()) {
                let root = root.map_err(|error| why(format!("{shown}: {error}")))?;
                roots.add(root).map_err(|error| why(format!("{shown}: {error}")))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| why(format!("{shown}: {error}")))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(builder.with_cert_resolver(certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        let made = rcgen::generate_simple_self_signed(["guard.privlink.svc".to_owned()]).unwrap();
        Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    #[test]
    fn a_pair_that_does_not_belong_together_leaves_the_old_one() {
        let first = pair();
        let certificates = Certificates::new(&first).unwrap();
        let shown = || certificates.0.read().unwrap().cert.clone();
        let before = shown();
        for bad in [
            Pair { key: pair().key, ..first.clone() },
            Pair { key: "no key".to_owned(), ..first.clone() },
            Pair { certificate: String::new(), ..first.clone() },
        ] {
            assert!(certificates.exchange(&bad).is_err());
            assert_eq!(shown(), before);
        }
        certificates.exchange(&pair()).unwrap();
        assert_ne!(shown(), before);
    }

    /// openssl's `BEGIN EC PRIVATE KEY` and `BEGIN RSA PRIVATE KEY`, with certificates of theirs.
    #[test]
    fn keys_are_read_in_every_encoding() {
        for name in ["sec1", "pkcs1", "pkcs8"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
            let file = |ending: &str| folder.join(format!("{name}.{ending}"));
            let pair = Pair::read(&file("crt"), &file("key")).unwrap();
            assert!(pair.certified().is_ok(), "{name}: {:?}", pair.certified().err());
        }
    }
}
