//! Incoming frames: JSON objects, one or more, separated by line breaks.

use std::{collections::HashMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use crate::message::{Command, Connect, Credentials, History, Position, Request};

/// The commands of one frame, read as they are taken, so that a frame of junk
/// costs no more than its first fault.
pub(crate) fn commands(frame: &[u8]) -> impl Iterator<Item = serde_json::Result<Command>> {
    serde_json::Deserializer::from_slice(frame)
        .into_iter::<Object<WireCommand>>()
        .map(|command| command.map(|Object(wire)| Command::from(wire)))
}

/// A value that must be written as a JSON object; the derived readers would take
/// an array of the fields as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// `null` stands for the zero value, as it does in the protocol's own decoder.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A command as it travels. Of several requests the first in the protocol's order counts.
#[derive(Deserialize)]
struct WireCommand {
    #[serde(default, deserialize_with = "nullable")]
    id: u32,
    connect: Option<Object<WireConnect>>,
    subscribe: Option<Object<WireNamed>>,
    unsubscribe: Option<Object<WireNamed>>,
    publish: Option<Object<WireNamed>>,
    presence: Option<Object<WireNamed>>,
    presence_stats: Option<Object<WireNamed>>,
    history: Option<Object<WireHistory>>,
    ping: Option<Object<WireUnread>>,
    send: Option<Object<WireUnread>>,
    rpc: Option<Object<WireUnread>>,
    refresh: Option<Object<WireUnread>>,
    sub_refresh: Option<Object<WireNamed>>,
}

#[derive(Deserialize)]
struct WireConnect {
    #[serde(default, deserialize_with = "nullable")]
    token: String,
    data: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "nullable")]
    subs: HashMap<String, Object<WireSub>>,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    version: String,
}

#[derive(Deserialize)]
struct WireSub {
    #[serde(default, deserialize_with = "nullable")]
    recover: bool,
    #[serde(default, deserialize_with = "nullable")]
    offset: u64,
    #[serde(default, deserialize_with = "nullable")]
    epoch: String,
}

#[derive(Deserialize)]
struct WireHistory {
    #[serde(default, deserialize_with = "nullable")]
    channel: String,
    /// Its absence means something other than offset 0.
    since: Option<Object<WirePosition>>,
    #[serde(default, deserialize_with = "nullable")]
    limit: i32,
    #[serde(default, deserialize_with = "nullable")]
    reverse: bool,
}

#[derive(Deserialize)]
struct WirePosition {
    #[serde(default, deserialize_with = "nullable")]
    offset: u64,
    #[serde(default, deserialize_with = "nullable")]
    epoch: String,
}

/// A request of which only the channel matters.
#[derive(Deserialize)]
struct WireNamed {
    #[serde(default, deserialize_with = "nullable")]
    channel: String,
}

/// A request of which nothing matters but that it is there.
#[derive(Deserialize)]
struct WireUnread {}

impl From<WireCommand> for Command {
    fn from(wire: WireCommand) -> Self {
        Self {
            id: wire.id,
            request: Request::from(wire),
        }
    }
}

impl From<WireCommand> for Request {
    fn from(wire: WireCommand) -> Self {
        if let Some(Object(connect)) = wire.connect {
            return Self::Connect(connect.into());
        }
        let named = wire
            .subscribe
            .or(wire.unsubscribe)
            .or(wire.publish)
            .or(wire.presence)
            .or(wire.presence_stats);
        if let Some(Object(WireNamed { channel })) = named {
            return Self::NotOffered {
                channel: Some(channel),
            };
        }
        if let Some(Object(history)) = wire.history {
            return Self::History(history.into());
        }
        if wire.ping.is_some() {
            return Self::Ping;
        }
        if wire.send.is_some() {
            return Self::Send;
        }
        if wire.rpc.is_some() || wire.refresh.is_some() {
            return Self::NotOffered { channel: None };
        }
        if let Some(Object(WireNamed { channel })) = wire.sub_refresh {
            return Self::NotOffered {
                channel: Some(channel),
            };
        }
        if wire.id == 0 {
            Self::Pong
        } else {
            Self::Unknown
        }
    }
}

impl From<WireConnect> for Connect {
    fn from(wire: WireConnect) -> Self {
        let recover = wire
            .subs
            .into_iter()
            .filter(|(_, Object(sub))| sub.recover)
            .map(|(channel, Object(WireSub { offset, epoch, .. }))| {
                (channel, Position { offset, epoch })
            })
            .collect();
        Self {
            credentials: Credentials {
                token: wire.token,
                data: wire.data,
                name: wire.name,
                version: wire.version,
            },
            recover,
        }
    }
}

impl From<WireHistory> for History {
    fn from(wire: WireHistory) -> Self {
        Self {
            channel: wire.channel,
            since: wire
                .since
                .map(|Object(WirePosition { offset, epoch })| Position { offset, epoch }),
            limit: wire.limit,
            reverse: wire.reverse,
        }
    }
}
