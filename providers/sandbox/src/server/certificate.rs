//! The certificate of a server with TLS, and the authority that vouches for it.

use std::path::Path;
use std::sync::Arc;

use privlink_file::Readers;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::Error;

/// Makes an authority and a certificate for loopback, both anew, and writes the authority's
/// certificate to a file for clients to trust. No key leaves the process.
///
/// # Errors
/// The file cannot be written, or no certificate made.
pub(super) fn acceptor(authority_file: &Path) -> Result<TlsAcceptor, Error> {
    let (authority, config) = make().map_err(|reason| Error::Certificate { reason })?;
    privlink_file::replace_text(authority_file, Readers::All, &authority)
        .map_err(|source| Error::File { path: authority_file.to_owned(), source })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn make() -> Result<(String, rustls::ServerConfig), String> {
    let why = |error: rcgen::Error| error.to_string();
    let authority_key = KeyPair::generate().map_err(why)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "privlink sandbox authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = params.self_signed(&authority_key).map_err(why)?;
    let issuer = Issuer::new(params, authority_key);

    let key = KeyPair::generate().map_err(why)?;
    let names = ["127.0.0.1", "::1", "localhost"].map(str::to_owned);
    let mut params = CertificateParams::new(names).map_err(why)?;
    params.distinguished_name.push(DnType::CommonName, "privlink sandbox");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer).map_err(why)?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let chain = vec![certificate.der().clone(), authority.der().clone()];
            builder.with_no_client_auth().with_single_cert(chain, key)
        })
        .map_err(|error| error.to_string())?;
    Ok((authority.pem(), config))
}
