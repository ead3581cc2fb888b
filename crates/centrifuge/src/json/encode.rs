//! Outgoing frames: one JSON object each.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    code::ErrorCode,
    message::{Connected, Publication, Reply, Subscribed},
};

/// One frame, without a line break.
pub(crate) fn encode(reply: &Reply<'_>) -> String {
    let wire = match reply {
        Reply::Connect { id, connected } => WireReply {
            id: *id,
            connect: Some(connected.into()),
            ..WireReply::default()
        },
        Reply::History {
            id,
            publications,
            epoch,
            top,
        } => WireReply {
            id: *id,
            history: Some(WireHistory {
                publications: publications.iter().copied().map(Into::into).collect(),
                epoch,
                offset: *top,
            }),
            ..WireReply::default()
        },
        Reply::Pong { id } => WireReply {
            id: *id,
            ping: Some(WireEmpty {}),
            ..WireReply::default()
        },
        Reply::Error { id, error } => WireReply {
            id: *id,
            error: Some((*error).into()),
            ..WireReply::default()
        },
        Reply::Publication {
            channel,
            publication,
        } => WireReply {
            push: Some(WirePush {
                channel,
                publication: (*publication).into(),
            }),
            ..WireReply::default()
        },
        Reply::Ping => WireReply::default(),
    };
    serde_json::to_string(&wire).expect("strings, numbers and checked JSON always serialize")
}

/// A reply as it travels. With nothing in it, it is the ping `{}`.
#[derive(Default, Serialize)]
struct WireReply<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WireError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<WirePush<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<WireConnected<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<WireHistory<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping: Option<WireEmpty>,
}

#[derive(Serialize)]
struct WireEmpty {}

#[derive(Serialize)]
struct WireError {
    code: u32,
    message: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    temporary: bool,
}

#[derive(Serialize)]
struct WirePush<'a> {
    channel: &'a str,
    #[serde(rename = "pub")]
    publication: WirePublication<'a>,
}

#[derive(Serialize)]
struct WirePublication<'a> {
    data: &'a RawValue,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
}

#[derive(Serialize)]
struct WireConnected<'a> {
    client: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    subs: OneSub<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    ping: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pong: bool,
}

/// The map of server-side subscriptions, which has exactly one entry here.
struct OneSub<'a> {
    channel: &'a str,
    sub: WireSub<'a>,
}

impl Serialize for OneSub<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.channel, &self.sub)])
    }
}

#[expect(clippy::struct_excessive_bools, reason = "the protocol's own flags")]
#[derive(Serialize)]
struct WireSub<'a> {
    recoverable: bool,
    positioned: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    epoch: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    was_recovering: bool,
    #[serde(skip_serializing_if = "is_zero")]
    recovered: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    publications: Vec<WirePublication<'a>>,
}

#[derive(Serialize)]
struct WireHistory<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    publications: Vec<WirePublication<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    epoch: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
}

impl From<ErrorCode> for WireError {
    fn from(error: ErrorCode) -> Self {
        Self {
            code: error.code(),
            message: error.message(),
            temporary: error.temporary(),
        }
    }
}

impl<'a> From<&'a Publication> for WirePublication<'a> {
    fn from(publication: &'a Publication) -> Self {
        Self {
            data: publication.data.raw(),
            offset: publication.offset,
        }
    }
}

impl<'a> From<&Connected<'a>> for WireConnected<'a> {
    fn from(connected: &Connected<'a>) -> Self {
        Self {
            client: connected.client,
            version: connected.version,
            subs: OneSub {
                channel: connected.channel,
                sub: (&connected.subscribed).into(),
            },
            ping: connected.ping_seconds,
            pong: true,
        }
    }
}

impl<'a> From<&Subscribed<'a>> for WireSub<'a> {
    fn from(subscribed: &Subscribed<'a>) -> Self {
        Self {
            recoverable: true,
            positioned: true,
            epoch: subscribed.epoch,
            offset: subscribed.offset,
            was_recovering: subscribed.was_recovering,
            recovered: subscribed.recovered,
            publications: subscribed.publications.iter().map(Into::into).collect(),
        }
    }
}

/// Zero values are left out of a message.
fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
