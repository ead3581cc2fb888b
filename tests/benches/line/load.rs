//! The load tool: keep-alive connections that post the same body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What to post, and where.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) at: SocketAddr,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: Bytes,
}

/// Connects once; posts on it one after the other.
pub(crate) struct Poster {
    sender: SendRequest<Full<Bytes>>,
    target: Target,
}

impl Poster {
    pub(crate) async fn connect(target: Target) -> Self {
        let stream = TcpStream::connect(target.at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, target }
    }

    /// Posts and insists on 204. Says how long that took.
    pub(crate) async fn post(&mut self) -> Duration {
        let Target {
            at,
            path,
            authorization,
            body,
        } = &self.target;
        let request = Request::post(path)
            .header("host", at.to_string())
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .body(Full::new(body.clone()))
            .unwrap();
        let began = Instant::now();
        self.sender.ready().await.unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        let status = answer.status();
        answer.into_body().collect().await.unwrap();
        assert_eq!(status, StatusCode::NO_CONTENT);
        began.elapsed()
    }
}

/// Requests a second with so many outstanding at once.
pub(crate) async fn closed_loop(target: &Target, outstanding: usize, requests: usize) -> f64 {
    let mut posters = Vec::new();
    for _ in 0..outstanding {
        posters.push(Poster::connect(target.clone()).await);
    }
    let left = Arc::new(AtomicUsize::new(requests));
    let began = Instant::now();
    let posting = posters.into_iter().map(|mut poster| {
        let left = Arc::clone(&left);
        tokio::spawn(async move {
            let take = |left| usize::checked_sub(left, 1);
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
            {
                poster.post().await;
            }
        })
    });
    futures_util::future::join_all(posting).await;
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let requests = requests as f64;
    requests / began.elapsed().as_secs_f64()
}

/// The time of each of so many requests, one after the other.
pub(crate) async fn one_at_a_time(target: &Target, requests: usize) -> Vec<Duration> {
    let mut poster = Poster::connect(target.clone()).await;
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        times.push(poster.post().await);
    }
    times.sort();
    times
}

/// The latency of requests sent at a steady rate, counted from when each was due, so that
/// a slow server is not flattered.
pub(crate) async fn open_loop(target: &Target, per_second: f64, requests: u32) -> Vec<Duration> {
    let (idle, mut free) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..64 {
        idle.send(Poster::connect(target.clone()).await).unwrap();
    }
    let began = Instant::now();
    let mut posting = Vec::new();
    for number in 0..requests {
        let due = began + Duration::from_secs_f64(f64::from(number) / per_second);
        tokio::time::sleep_until(due.into()).await;
        let mut poster = free.recv().await.unwrap();
        let idle = idle.clone();
        posting.push(tokio::spawn(async move {
            poster.post().await;
            let took = due.elapsed();
            let _ = idle.send(poster);
            took
        }));
    }
    let mut times = Vec::new();
    for posted in posting {
        times.push(posted.await.unwrap());
    }
    times.sort();
    times
}
