//! The load tool: keep-alive connections that post one prepared request again and again.
//!
//! It speaks just enough HTTP for that, so that it takes little of the cores it shares with
//! the server. Every server gets the same one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::roles::{PROJECT, SECRET};

const ANSWER_MAX_BYTES: usize = 2_048;
const ACCEPTED: &[u8] = b"HTTP/1.1 204 ";

/// A signed notice as Xsolla would post it, head and body.
pub(crate) fn signed(body: &[u8]) -> Bytes {
    let authorization = xsolla::signature::authorization_header(body, SECRET.as_bytes());
    let head = format!(
        "POST /webhooks/xsolla/{PROJECT} HTTP/1.1\r\nhost: localhost\r\n\
         authorization: {authorization}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}

/// One connection; posts on it one after the other.
pub(crate) struct Poster {
    stream: TcpStream,
    answer: [u8; ANSWER_MAX_BYTES],
}

impl Poster {
    pub(crate) async fn connect(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            answer: [0; ANSWER_MAX_BYTES],
        }
    }

    /// Posts, and insists on 204.
    pub(crate) async fn post(&mut self, request: &[u8]) {
        let answer = self.exchange(request).await;
        assert!(answer.starts_with(ACCEPTED), "{}", answer.escape_ascii());
    }

    /// Posts; says whether it was accepted. An answer with a body leaves the connection
    /// unusable.
    pub(crate) async fn try_post(mut self, request: &[u8]) -> bool {
        self.exchange(request).await.starts_with(ACCEPTED)
    }

    /// The head of the answer: a 204 has nothing behind it.
    async fn exchange(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.unwrap();
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await.unwrap();
            assert!(read > 0, "closed in the middle of an answer");
            filled += read;
            if self.answer[..filled]
                .windows(4)
                .any(|end| end == b"\r\n\r\n")
            {
                return &self.answer[..filled];
            }
        }
    }
}

/// A steady rate.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) began: Instant,
    pub(crate) per_second: f64,
}

impl Pace {
    /// From now on.
    pub(crate) fn of(per_second: f64) -> Self {
        Self {
            began: Instant::now(),
            per_second,
        }
    }

    /// When the request of this number is to be sent, whatever became of those before.
    pub(crate) fn due(self, number: u32) -> Instant {
        self.began + Duration::from_secs_f64(f64::from(number) / self.per_second)
    }
}

/// Connections that have each been used once.
pub(crate) struct Load {
    posters: Vec<Poster>,
    request: Bytes,
}

impl Load {
    pub(crate) async fn connect(at: SocketAddr, connections: usize, request: &Bytes) -> Self {
        let mut posters = Vec::new();
        for _ in 0..connections {
            let mut poster = Poster::connect(at).await;
            poster.post(request).await;
            posters.push(poster);
        }
        Self {
            posters,
            request: request.clone(),
        }
    }

    /// Posts so many times, always on every connection, and says how long that took.
    pub(crate) async fn closed_loop(self, requests: usize) -> Duration {
        let left = Arc::new(AtomicUsize::new(requests));
        let began = Instant::now();
        let posting = self.posters.into_iter().map(|mut poster| {
            let (left, request) = (Arc::clone(&left), self.request.clone());
            tokio::spawn(async move {
                let take = |left| usize::checked_sub(left, 1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    poster.post(&request).await;
                }
            })
        });
        for posting in futures_util::future::join_all(posting).await {
            posting.unwrap();
        }
        began.elapsed()
    }

    /// The latencies of requests sent at a steady rate, whatever the answers, sorted. Each is
    /// counted from when its request was due, so that a slow server is not flattered: not even
    /// where all connections are taken and the request has to wait for one. The timer's own
    /// grain of a millisecond is in it.
    pub(crate) async fn open_loop(
        self,
        pace: Pace,
        requests: impl IntoIterator<Item = Bytes>,
    ) -> Vec<Duration> {
        let places = Arc::new(Semaphore::new(self.posters.len()));
        let idle = Arc::new(Mutex::new(self.posters));
        let mut posting = Vec::new();
        for (number, request) in (0..).zip(requests) {
            let due = pace.due(number);
            tokio::time::sleep_until(due.into()).await;
            let (places, idle) = (Arc::clone(&places), Arc::clone(&idle));
            posting.push(tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                let mut poster = idle.lock().unwrap().pop().unwrap();
                poster.post(&request).await;
                let took = due.elapsed();
                idle.lock().unwrap().push(poster);
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

    /// The time of each of so many requests, one after the other, sorted. As many again go
    /// before them unmeasured.
    pub(crate) async fn one_at_a_time(mut self, requests: usize) -> Vec<Duration> {
        let poster = &mut self.posters[0];
        let mut times = Vec::with_capacity(requests);
        for _ in 0..2 {
            times.clear();
            for _ in 0..requests {
                let began = Instant::now();
                poster.post(&self.request).await;
                times.push(began.elapsed());
            }
        }
        times.sort();
        times
    }
}
