//! Sending: one body, its signature, as many requests as are to leave at once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::http::HttpError;

use super::journal::{Answer, Kind, Post};
use super::live::Counted;
use super::stage::Stage;

/// A body and its signature.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    body: Bytes,
    signature: String,
}

/// What the journal says of a request before it leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) shopper: u32,
    pub(crate) notice: u8,
    pub(crate) attempt: u8,
    pub(crate) due: Duration,
}

impl Letter {
    pub(crate) fn new(stage: &Stage, body: Bytes, kind: Kind) -> Self {
        let signature = match kind {
            Kind::Forged => {
                let nobodys = format!("{:032x}", rand::random::<u128>());
                xsolla::signature::authorization_header(&body, nobodys.as_bytes())
            }
            Kind::Genuine | Kind::Odd | Kind::Conflicting => {
                xsolla::signature::authorization_header(&body, stage.secret().as_ref())
            }
        };
        Self { body, signature }
    }
}

/// Posts so many copies at one instant, each on a connection of its own, and writes each
/// answer into the journal.
pub(crate) async fn send(stage: &Stage, letter: &Letter, stamp: Stamp, copies: u8) -> Vec<Answer> {
    if copies == 1 {
        return vec![post(stage, letter, stamp).await];
    }
    join_all((0..copies).map(|_| post(stage, letter, stamp))).await
}

async fn post(stage: &Stage, letter: &Letter, stamp: Stamp) -> Answer {
    // The semaphore is never closed.
    let _place = stage.requests.acquire().await;
    let _counted = Counted::one(&stage.live.counts().requests);
    let sent = stage.live.now();
    let answered =
        stage
            .target
            .webhook
            .post_signed(&stage.notices, letter.body.clone(), &letter.signature);
    let answer = match answered.await {
        Ok(answer) => Answer::Code(answer.status.as_u16()),
        Err(HttpError::Unreachable { .. } | HttpError::Url { .. } | HttpError::Certificates(_)) => {
            Answer::Unsent
        }
        Err(HttpError::Broken { .. } | HttpError::TimedOut { .. }) => Answer::Unknown,
    };
    let Stamp {
        shopper,
        notice,
        attempt,
        due,
    } = stamp;
    let ended = stage.live.now();
    stage.live.posted(Post {
        shopper,
        notice,
        attempt,
        due,
        sent,
        ended,
        answer,
    });
    answer
}
