//! HTTP itself: timeouts, TLS, proxies.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::Transport;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A transport. Redirects are not followed: ARM does not send them, and a followed one would carry
/// the request past the check of its origin. Proxy variables are honoured unless `direct`, which
/// loopback endpoints and the metadata service of a virtual machine need.
pub(crate) fn transport(direct: bool) -> Result<Transport, reqwest::Error> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if direct {
        builder = builder.no_proxy();
    }
    Ok(Transport::new(Arc::new(builder.build()?)))
}

/// One TLS provider for the whole process: without a default, the first TLS connection fails.
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error says that another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
