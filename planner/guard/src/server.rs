//! The servers and their life.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use privlink_core::facts::Facts;
use privlink_core::inventory::Azure;
use privlink_core::snapshot::{FORMAT_VERSION, Index, Kubernetes, Reading, Snapshot};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, SelfSigned};
use crate::certificate::{self, Certificates, Pair};
use crate::consents::Consents;
use crate::listener::TlsListener;
use crate::metrics::{Failure, Metrics};
use crate::observation::{Observation, Observer, Read};
use crate::{CertificateSource, Error, Options, review};

/// The most bytes of a review: twice what the API server stores of one object, and more.
const MOST_BYTES: usize = 8 << 20;

/// How often files with a certificate are looked at.
const LOOKED_AT: Duration = Duration::from_secs(5);

/// How often an authority of one's own issues a new certificate, and is looked for in the webhook.
const ISSUED: Duration = Duration::from_secs(86_400);
const VOUCHED: Duration = Duration::from_secs(10);

/// How long requests in flight have once no more are taken.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) known: watch::Receiver<Observation>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) written: Arc<Notify>,
    pub(crate) consents: Arc<Consents>,
    ending: AtomicBool,
}

impl Shared {
    /// Whether requests are to be sent here: it has looked around once, and is not ending. One that has read nothing yet and
    /// refuses what it cannot judge would refuse every write, beside replicas that can judge it.
    fn is_ready(&self) -> bool {
        let known = self.known.borrow();
        let has_failed = known.failure.is_some() && !self.options.policy.fail_closed;
        let looked = known.read.is_some() || has_failed;
        looked && !self.ending.load(Ordering::SeqCst)
    }

    /// What is known where nothing was read.
    pub(crate) fn nothing(&self) -> Arc<Read> {
        let unread = || Reading::Unreadable("it was not read yet".to_owned());
        let kubernetes = Kubernetes {
            version: Reading::Absent,
            namespace: "default".to_owned(),
            services: unread(),
            nodes: unread(),
            events: unread(),
            namespaces: None,
        };
        let snapshot = Snapshot {
            format_version: FORMAT_VERSION.to_owned(),
            taken_at: String::new(),
            redacted: false,
            kubernetes,
            azure: BTreeMap::new(),
            index: Index::default(),
        };
        let azure = Azure::default();
        Arc::new(Read { snapshot, azure, facts: Facts::default(), at: Instant::now() })
    }
}

/// Serves until `stop` is over: not ready from then on, then no new connections, then the end.
///
/// # Errors
/// No port can be opened, or there is no certificate to begin with.
pub async fn serve(
    options: Options,
    stop: impl Future<Output = ()> + Send,
    serving: impl FnOnce(SocketAddr, SocketAddr),
) -> Result<(), Error> {
    let (reviews, probes) = (listen(options.listen).await?, listen(options.probes).await?);
    let addresses = (reviews.local_addr(), probes.local_addr());
    let (sender, known) = watch::channel(Observation::default());
    let (metrics, written) = (Arc::<Metrics>::default(), Arc::<Notify>::default());
    let consents = Arc::<Consents>::default();
    let observer = Observer {
        kubernetes: options.kubernetes.clone(),
        arm: options.arm.clone(),
        targets: options.targets.clone(),
        pinned: options.pinned.clone(),
        refresh: options.refresh,
        known: sender,
        metrics: Arc::clone(&metrics),
        written: Arc::clone(&written),
        consents: Arc::clone(&consents),
    };
    let keeper = Keeper::begin(&options, Arc::clone(&metrics)).await?;
    let config =
        certificate::config(Arc::clone(&keeper.certificates), options.client_authority.as_deref())?;
    let cancel = CancellationToken::new();
    let failed = Arc::clone(&metrics);
    let reviews =
        TlsListener::new(reviews, TlsAcceptor::from(Arc::new(config)), cancel.clone(), move || {
            failed.failed(Failure::Handshake)
        })
        .map_err(|source| Error::Listen { address: options.listen, source })?;
    let (drain, concurrency) = (options.drain, options.concurrency.max(1));
    let shared = Arc::new(Shared {
        options,
        known,
        metrics,
        permits: Arc::new(Semaphore::new(concurrency)),
        written,
        consents,
        ending: AtomicBool::new(false),
    });
    let of_reviews = Router::new()
        .route("/validate", post(review::answer))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(Arc::clone(&shared));
    let of_probes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics_text))
        .with_state(Arc::clone(&shared));
    let ended = || cancel.clone().cancelled_owned();
    let reviews = axum::serve(reviews, of_reviews).with_graceful_shutdown(ended());
    let probes = axum::serve(probes, of_probes).with_graceful_shutdown(ended());
    if let (Ok(reviews), Ok(probes)) = addresses {
        serving(reviews, probes);
    }
    let ending = async {
        stop.await;
        shared.ending.store(true, Ordering::SeqCst);
        tokio::time::sleep(drain).await;
        cancel.cancel();
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    let both = async { tokio::join!(reviews.into_future(), probes.into_future()) };
    tokio::select! {
        _ = both => {}
        () = ending => {}
        () = observer.run() => {}
        () = keeper.run() => {}
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

async fn readiness(State(shared): State<Arc<Shared>>) -> Response {
    match shared.is_ready() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let age = shared.known.borrow().age();
    let text = shared.metrics.text(age, shared.is_ready());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Keeps the certificate good.
struct Keeper {
    source: Source,
    certificates: Arc<Certificates>,
    kubernetes: privlink_kubernetes::KubernetesClient,
    metrics: Arc<Metrics>,
}

enum Source {
    Files { certificate: std::path::PathBuf, key: std::path::PathBuf, shown: Pair },
    Own(SelfSigned, Authority),
}

impl Keeper {
    async fn begin(options: &Options, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let kubernetes = options.kubernetes.clone();
        let (source, pair) = match &options.certificate {
            CertificateSource::Files { certificate, key } => {
                let pair = Pair::read(certificate, key).map_err(Error::Certificate)?;
                let (certificate, key) = (certificate.clone(), key.clone());
                (Source::Files { certificate, key, shown: pair.clone() }, pair)
            }
            CertificateSource::SelfSigned(own) => {
                let authority = own.authority(&kubernetes).await?;
                let pair = own.issue(&authority).map_err(Error::Certificate)?;
                // The webhook may be configured later: installers make it last.
                if let Err(why) = own.vouch(&authority, &kubernetes).await {
                    metrics.failed(Failure::Certificate);
                    tracing::warn!(%why, "the webhook does not trust the authority yet");
                }
                (Source::Own(own.clone(), authority), pair)
            }
        };
        Ok(Self { source, certificates: Certificates::new(&pair)?, kubernetes, metrics })
    }

    /// For ever.
    async fn run(self) {
        let Self { source, certificates, kubernetes, metrics } = self;
        let told = |outcome: Result<(), String>| {
            if let Err(why) = outcome {
                metrics.failed(Failure::Certificate);
                tracing::warn!(%why, "the certificate stays as it is");
            }
        };
        match source {
            Source::Files { certificate, key, mut shown } => loop {
                tokio::time::sleep(LOOKED_AT).await;
                match Pair::read(&certificate, &key) {
                    // One that is no good is tried once.
                    Ok(pair) if pair != shown => {
                        told(certificates.exchange(&pair));
                        shown = pair;
                    }
                    Ok(_) => {}
                    Err(why) => told(Err(why)),
                }
            },
            Source::Own(own, authority) => {
                let mut issued = Instant::now();
                loop {
                    tokio::time::sleep(VOUCHED).await;
                    told(own.vouch(&authority, &kubernetes).await);
                    if issued.elapsed() >= ISSUED {
                        issued = Instant::now();
                        told(own.issue(&authority).and_then(|pair| certificates.exchange(&pair)));
                    }
                }
            }
        }
    }
}
