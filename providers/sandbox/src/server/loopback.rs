//! Connections that can be reset on purpose, plain or with TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A listener whose connections carry a [`Wire`].
pub(super) struct Loopback {
    listener: TcpListener,
    tls: Option<Handshakes>,
}

/// Connections whose handshake is done; a slow client holds nobody else up.
struct Handshakes {
    acceptor: TlsAcceptor,
    done: mpsc::Sender<(Stream, Wire)>,
    ready: mpsc::Receiver<(Stream, Wire)>,
}

impl Loopback {
    pub(super) fn new(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let tls = tls.map(|acceptor| {
            let (done, ready) = mpsc::channel(16);
            Handshakes { acceptor, done, ready }
        });
        Self { listener, tls }
    }
}

/// A connection, plain or with TLS.
pub(super) enum Stream {
    Plain(Connection),
    Tls(Box<TlsStream<Connection>>),
}

/// A handle on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<AtomicBool>);

impl Wire {
    /// Resets the connection at the next write.
    pub(super) fn reset(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A connection that fails its writes once its wire was reset.
pub(super) struct Connection {
    stream: TcpStream,
    wire: Wire,
}

impl Connection {
    fn broken(&self) -> Option<io::Error> {
        if !self.wire.0.load(Ordering::SeqCst) {
            return None;
        }
        // So that the peer sees a reset and not an orderly end.
        let _ = self.stream.set_zero_linger();
        Some(io::Error::from(io::ErrorKind::ConnectionReset))
    }
}

async fn accept(listener: &mut TcpListener) -> (Connection, Wire) {
    let (stream, _) = Listener::accept(listener).await;
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let wire = Wire::default();
    (Connection { stream, wire: wire.clone() }, wire)
}

impl Listener for Loopback {
    type Io = Stream;
    type Addr = Wire;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Some(tls) = &mut self.tls else {
                let (connection, wire) = accept(&mut self.listener).await;
                return (Stream::Plain(connection), wire);
            };
            let (connection, wire) = tokio::select! {
                Some(ready) = tls.ready.recv() => return ready,
                accepted = accept(&mut self.listener) => accepted,
            };
            let (acceptor, done) = (tls.acceptor.clone(), tls.done.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up.
                if let Ok(stream) = acceptor.accept(connection).await {
                    let _ = done.send((Stream::Tls(Box::new(stream)), wire)).await;
                }
            });
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Wire::default())
    }
}

impl Connected<IncomingStream<'_, Loopback>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Loopback>) -> Self {
        stream.remote_addr().clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
